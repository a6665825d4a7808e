"""Scalars for VisualDL, with a stand-in for the library."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.training.callbacks import VisualDL
from tests.support.logged_run import scalars_of, train_twice


class Writer:
    """Stands for VisualDL's LogWriter."""

    opened: list[str] = []
    scalars: list[dict[str, Any]] = []
    closed = 0

    def __init__(self, folder: str) -> None:
        self.opened.append(folder)

    def close(self) -> None:
        Writer.closed += 1

    def add_scalar(self, **scalar: Any) -> None:
        self.scalars.append(scalar)


def test_visualdl_gets_numbers_and_opens_with_the_first_record(tmp_path, monkeypatch) -> None:
    module = ModuleType("visualdl")
    monkeypatch.setattr(module, "LogWriter", Writer, raising=False)
    monkeypatch.setitem(sys.modules, "visualdl", module)
    callback = VisualDL(tmp_path)
    callback.on_end(True)
    assert (Writer.opened, Writer.closed) == ([], 0)
    callback.on_record("eval", 7, {"AP": 0.25, "note": "text"})
    callback.on_record("eval", 8, {"AP": 0.5})
    assert Writer.opened == [str(tmp_path)]
    assert Writer.scalars == [
        {"tag": "eval/AP", "step": 7, "value": 0.25},
        {"tag": "eval/AP", "step": 8, "value": 0.5},
    ]
    callback.on_end(True)
    assert Writer.closed == 1


def test_visualdl_that_is_missing(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "visualdl", None)
    with pytest.raises(UserError, match="--use_vdl: VisualDL is not installed; pip install visualdl"):
        VisualDL(tmp_path)


def test_the_values_are_those_of_the_log(tiny):
    """Read back with the library itself; both parts of a continued run have the step that was done twice."""
    visualdl = pytest.importorskip("visualdl", reason="VisualDL is not installed")
    folder = train_twice(tiny, "log=[visualdl]")
    found: dict[str, dict[int, float]] = {}
    for file in sorted((folder / "visualdl").iterdir()):
        reader = visualdl.LogReader(file_path=str(file))
        for tag in reader.get_tags()["scalar"]:
            found.setdefault(tag, {}).update({point.id: point.value for point in reader.get_data("scalar", tag)})
    expected = scalars_of(folder)
    assert found.keys() == expected.keys()
    for tag, points in expected.items():
        assert found[tag] == pytest.approx(points, rel=1e-6)  # they are kept as float32
