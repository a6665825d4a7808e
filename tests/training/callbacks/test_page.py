"""report.html of real trainings: what it says equals metrics.jsonl, also after faults and resume."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ppdet.training.callbacks import Callback, page
from ppdet.training.loop import fit
from ppdet.training.setup import build_trainer
from tests.support.html_page import Page
from tests.support.logged_run import train_twice
from tests.support.tiny import make_run


def needs_libraries() -> None:
    pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
    pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")


def records_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_history_of_a_continued_run(tiny):
    """The numbers are those of metrics.jsonl; each epoch is there once, with its pictures."""
    needs_libraries()
    folder = train_twice(tiny)
    found = Page(folder / "report.html")
    rows = [[values["data-v"] for tag, values in found.elements if tag in ("th", "td") and "data-v" in values]]
    heading, *shown = found.tables["epochs"]
    width = len(heading)
    values = [rows[0][start : start + width] for start in range(0, len(rows[0]), width)]
    table = [dict(zip(heading, row, strict=True)) for row in values]
    evaluations = [each for each in records_of(folder) if each["kind"] == "eval"]
    assert [row["epoch"] for row in table] == ["2", "1"]
    assert len(shown) == 2
    for row, scores in zip(table, evaluations[::-1], strict=True):
        assert {name: float(row[name]) for name in scores if name[:2] in ("AP", "AR")} == {
            name: value for name, value in scores.items() if name[:2] in ("AP", "AR")
        }
    last = [each for each in records_of(folder) if each["kind"] == "train"][-1]
    assert float(table[0]["learning rate"]) == last["lr"]
    assert float(table[0]["memory (MB)"]) == last["memory_mb"]
    assert [heading[:7] for heading in found.headings if heading.startswith("Epoch ")] == ["Epoch 2", "Epoch 1"]
    assert "finished after 2 epochs." in " ".join(found.text.split())
    assert "would more epochs have helped: not known" in found.text.lower()
    assert (
        found.count("img") == 2 * 6 + 2
    )  # all six images after both evaluations, and the two batches of the first epoch
    assert found.values("data-running") == ["0"]


def test_it_is_refreshed_at_each_checkpoint(tiny, monkeypatch):
    needs_libraries()
    seen = []
    write = page.write_training_page

    def noted(path: Path, training: Any) -> None:
        write(path, training)
        seen.append((training.state.word, len(training.evaluations), len(training.follow.found)))

    monkeypatch.setattr(page, "write_training_page", noted)
    fit(*build_trainer(make_run(tiny, "epoch=2", "snapshot_epoch=1", "log_iter=1"), evaluate=True))
    assert seen == [("running", 0, 0), ("running", 1, 1), ("running", 2, 2), ("finished", 2, 2)]


def test_it_is_written_between_checkpoints_if_that_is_cheap(tiny, monkeypatch):
    """After a pause of at least a minute, and a hundred times what a page takes."""
    needs_libraries()
    now, written = [1000.0], []

    def slow(path: Path, training: Any) -> None:
        written.append(now[0])
        now[0] += 0.5 if len(written) == 1 else 2.0

    monkeypatch.setattr(page, "write_training_page", slow)
    monkeypatch.setattr(page.time, "monotonic", lambda: now[0])
    session = make_run(tiny)
    callback = page.TrainingPage(page.Watched(session, session.load_annotated("TrainDataset"), None, 2, 0, None))
    for seconds in (0.0, 30.0, 59.0, 61.0, 200.0, 261.0):
        now[0] = 1000.0 + seconds
        callback.on_record("train", 1, {"epoch": 1})
    assert written == [1000.0, 1061.0, 1261.0]


class _Raises(Callback):
    def on_record(self, kind, updates, numbers) -> None:
        if updates == 3:
            raise MemoryError


def test_an_interrupted_run(tiny):
    needs_libraries()
    with pytest.raises(MemoryError):
        fit(*build_trainer(make_run(tiny, "epoch=2", "snapshot_epoch=1"), evaluate=True, callbacks=[_Raises()]))
    found = Page(tiny.parent / "output" / "tiny" / "report.html")
    assert "interrupted in epoch 2 of 2." in " ".join(found.text.split())
    assert found.tables["epochs"][1][0] == "2"


def test_a_new_run_moves_the_page_aside(tiny):
    needs_libraries()
    folder = tiny.parent / "output" / "tiny"
    for _ in range(2):
        fit(*build_trainer(make_run(tiny, "epoch=1"), evaluate=True))
    assert {"report.html", "report_boxes.jsonl"} <= {file.name for file in (folder / "earlier-1").iterdir()}
    assert len((folder / "report_boxes.jsonl").read_text().splitlines()) == 1


def test_without_an_evaluation(tiny):
    needs_libraries()
    fit(*build_trainer(make_run(tiny, "epoch=1")))
    folder = tiny.parent / "output" / "tiny"
    found = Page(folder / "report.html")
    assert not (folder / "report_boxes.jsonl").exists()
    assert "pictures" not in found.values("id")
    loss = [each for each in records_of(folder) if each["kind"] == "train"][-1]["loss"]
    assert f"{loss:.3f}" in found.text


def test_a_run_that_is_continued_without_an_evaluation(tiny, caplog):
    needs_libraries()
    fit(*build_trainer(make_run(tiny, "epoch=1", "snapshot_epoch=1"), evaluate=True))
    fit(*build_trainer(make_run(tiny, "epoch=2", "snapshot_epoch=1"), resume="auto"))
    assert "finished after 2 epochs." in " ".join(Page(tiny.parent / "output" / "tiny" / "report.html").text.split())
    assert "report.html: failed" not in caplog.text


def test_a_page_that_cannot_be_written(tiny, caplog):
    """One warning; the training is complete."""
    needs_libraries()
    (tiny.parent / "output" / "tiny" / "report.html").mkdir(parents=True)
    end = fit(*build_trainer(make_run(tiny, "epoch=2", "snapshot_epoch=1"), evaluate=True))
    assert end.epoch == 2
    assert len([r for r in caplog.records if r.levelname == "WARNING" and "report.html: failed" in r.getMessage()]) == 1


@pytest.mark.parametrize("name", ["jinja2", "matplotlib"])
def test_without_a_library(tiny, monkeypatch, caplog, name):
    monkeypatch.setitem(sys.modules, name, None)
    if name == "matplotlib":
        pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
    with caplog.at_level("INFO"):
        fit(*build_trainer(make_run(tiny, "epoch=1")))
    assert not (tiny.parent / "output" / "tiny" / "report.html").exists()
    expected = f"report.html is not written: {name} is not installed; pip install {name}"
    assert [r.getMessage() for r in caplog.records].count(expected) == 1
