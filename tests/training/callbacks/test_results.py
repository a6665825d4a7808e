"""results.csv and results.png of real trainings."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

from ppdet.training import loop
from ppdet.training.callbacks import ResultsPlot
from ppdet.training.loop import fit
from ppdet.training.setup import build_trainer
from tests.support.logged_run import train_twice
from tests.support.tiny import make_run


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_epoch_of_a_continued_run(tiny):
    folder = train_twice(tiny)
    rows = table_of(folder)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(row["epoch"], row["updates"]) for row in rows] == [("1", "2"), ("2", "4")]
    for number, row in enumerate(rows):
        *lines, scores = records[3 * number : 3 * number + 3]
        assert float(row["AP"]) == scores["AP"]
        assert float(row["AR100"]) == scores["AR100"]
        assert float(row["lr"]) == lines[-1]["lr"]
        assert float(row["loss"]) == pytest.approx((lines[0]["loss"] + lines[1]["loss"]) / 2)
        assert float(row["memory_mb"]) == max(line["memory_mb"] for line in lines)
        images = sum(line["images_per_second"] * line["step_seconds"] for line in lines)
        assert float(row["images_per_second"]) == pytest.approx(images / sum(line["step_seconds"] for line in lines))


def test_it_is_refreshed_at_each_checkpoint_and_right_after_resume(tiny, monkeypatch):
    """Without an evaluation as well. The row of what is repeated is gone before the first step."""
    trainer, progress = build_trainer(make_run(tiny, "epoch=2", "snapshot_epoch=1"))
    folder, seen = trainer.output_dir, []
    save = loop.save_checkpoint

    def noted(path, *parts) -> None:
        save(path, *parts)
        seen.append(len(table_of(folder)) if (folder / "results.csv").exists() else 0)

    monkeypatch.setattr(loop, "save_checkpoint", noted)
    fit(trainer, progress)
    assert seen == [0, 1]
    assert [row["epoch"] for row in table_of(folder)] == ["1", "2"]
    trainer, _ = build_trainer(make_run(tiny, "epoch=2", "snapshot_epoch=1"), resume=folder / "0")
    trainer.begin()
    assert [row["epoch"] for row in table_of(folder)] == ["1"]


def test_without_matplotlib(tiny, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with caplog.at_level("INFO"):
        trainer, progress = build_trainer(make_run(tiny, "epoch=1"))
        fit(trainer, progress)
    assert not (trainer.output_dir / "results.png").exists()
    expected = "results.png is not drawn: matplotlib is not installed; pip install matplotlib"
    assert [r.getMessage() for r in caplog.records].count(expected) == 1


def test_the_plot(tiny):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    folder = train_twice(tiny)
    data = (folder / "results.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert data.endswith(b"IEND\xaeB`\x82")
    assert len(data) > 20_000


def test_a_plot_that_cannot_be_written(tmp_path):
    """Nothing is left of it, and the one before it stays."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"kind": "eval", "updates": 2, "epoch": 1, "AP": "text"}\n')
    (tmp_path / "results.png").write_text("before")
    with pytest.raises(TypeError):
        ResultsPlot(metrics).on_checkpoint()
    assert {file.name: file.read_text() for file in tmp_path.glob("*.png")} == {"results.png": "before"}
