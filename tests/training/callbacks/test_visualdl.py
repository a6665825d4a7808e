"""Scalars for VisualDL, with a stand-in for the library."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.training.callbacks import VisualDL


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
