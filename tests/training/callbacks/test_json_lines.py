"""The run's own record of its figures."""

from __future__ import annotations

import json

import pytest

from ppdet.core.errors import UserError
from ppdet.training.callbacks import JsonLines


def test_records_are_lines_of_json(tmp_path) -> None:
    file = tmp_path / "metrics.jsonl"
    for updates, loss in ((1, 2.5), (3, 1.5)):
        JsonLines(file).on_record("train", updates, {"loss": loss, "epoch": 1})
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"kind": "train", "updates": 1, "loss": 2.5, "epoch": 1},
        {"kind": "train", "updates": 3, "loss": 1.5, "epoch": 1},
    ]


def test_a_file_that_cannot_be_written(tmp_path) -> None:
    with pytest.raises(UserError, match=r"missing/metrics\.jsonl: cannot be written \(No such file or directory\)"):
        JsonLines(tmp_path / "missing" / "metrics.jsonl").on_record("eval", 1, {"AP": 0.5})
