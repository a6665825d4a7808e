"""A training that dies in its second epoch and is continued, so that one of its steps is done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppdet.training.callbacks import Callback
from ppdet.training.loop import fit
from ppdet.training.setup import build_trainer
from tests.support.tiny import make_run

OPTIONS = ("epoch=2", "snapshot_epoch=1")
REPEATED = 3  # the update that is done twice


class _Dies(Callback):
    def on_record(self, kind, updates, numbers) -> None:
        if updates > REPEATED:
            raise MemoryError


def train_twice(config: Path, *overrides: str) -> Path:
    """Trains two epochs of two updates; returns the output folder."""
    with pytest.raises(MemoryError):
        fit(*build_trainer(make_run(config, *OPTIONS, *overrides), evaluate=True, callbacks=[_Dies()]))
    fit(*build_trainer(make_run(config, *OPTIONS, *overrides), evaluate=True, resume="auto"))
    return config.parent / "output" / "tiny"


def scalars_of(folder: Path) -> dict[str, dict[int, float]]:
    """What a logger should have by tag and update, from metrics.jsonl."""
    found: dict[str, dict[int, float]] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        kind, updates = record.pop("kind"), record.pop("updates")
        for name, value in record.items():
            found.setdefault(f"{kind}/{name}", {})[updates] = value
    assert sorted(found["train/loss"]) == [1, 2, 3, 4]
    assert sorted(found["eval/AP"]) == [2, 4]
    return found
