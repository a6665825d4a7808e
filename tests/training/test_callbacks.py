"""Listeners of a training run."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.training.callbacks import JsonLines, VisualDL


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


class Writer:
    """Stands for VisualDL's LogWriter."""

    opened: list[str] = []
    scalars: list[dict[str, Any]] = []

    def __init__(self, folder: str) -> None:
        self.opened.append(folder)

    def add_scalar(self, **scalar: Any) -> None:
        self.scalars.append(scalar)


def test_visualdl_gets_numbers_and_opens_with_the_first_record(tmp_path, monkeypatch) -> None:
    module = ModuleType("visualdl")
    monkeypatch.setattr(module, "LogWriter", Writer, raising=False)
    monkeypatch.setitem(sys.modules, "visualdl", module)
    callback = VisualDL(tmp_path)
    assert Writer.opened == []
    callback.on_record("eval", 7, {"AP": 0.25, "note": "text"})
    callback.on_record("eval", 8, {"AP": 0.5})
    assert Writer.opened == [str(tmp_path)]
    assert Writer.scalars == [
        {"tag": "eval/AP", "step": 7, "value": 0.25},
        {"tag": "eval/AP", "step": 8, "value": 0.5},
    ]


def test_visualdl_that_is_missing(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "visualdl", None)
    with pytest.raises(UserError, match="--use_vdl: VisualDL is not installed; pip install visualdl"):
        VisualDL(tmp_path)
