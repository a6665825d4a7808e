"""The records of a training as a table."""

from __future__ import annotations

import pytest

from ppdet.training.epoch_table import epoch_rows, read_records


def line(epoch: int, step: int, **values: float) -> dict[str, object]:
    numbers = {"lr": 0.1, "loss": 1.0, "step_seconds": 1.0, "images_per_second": 8.0, "memory_mb": 5.0}
    return {"kind": "train", "updates": 10 * epoch + step, "epoch": epoch, "step": step} | numbers | values


def test_the_steps_of_a_line_count():
    """Lines of 4, 4 and 2 steps; the last takes ten times as long as the others."""
    lines = [line(1, 4, loss=1.0), line(1, 8, loss=2.0, lr=0.3, memory_mb=9.0)]
    lines.append(line(1, 10, loss=5.0, lr=0.2, step_seconds=10.0, images_per_second=0.8))
    (row,) = epoch_rows(lines)
    assert row == {
        "epoch": 1,
        "updates": 20,
        "lr": 0.2,
        "loss": pytest.approx((4 * 1 + 4 * 2 + 2 * 5) / 10),
        "images_per_second": pytest.approx((8 * 4 + 8 * 4 + 0.8 * 20) / 28),
        "memory_mb": 9.0,
    }


def test_epochs_without_an_evaluation_or_without_lines():
    rows = epoch_rows([{"kind": "eval", "updates": 20, "epoch": 2, "AP": 0.5}, line(1, 10)])
    assert [row["epoch"] for row in rows] == [1, 2]
    assert "AP" not in rows[0]
    assert rows[1] == {"epoch": 2, "updates": 20, "AP": 0.5}


def test_steps_that_begin_again():
    """After another number of images per step, whose records stay."""
    (row,) = epoch_rows([line(4, 8), line(4, 10), line(4, 6, loss=3.0)])
    assert row["loss"] == pytest.approx((8 + 2 + 3) / 11)


def test_broken_lines_are_left_out(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert read_records(file) == []
    file.write_text('{"epoch": 1}\n\n[1]\n{"kind": "eval"}\n{"epoch": 2, "lo')
    assert read_records(file) == [{"epoch": 1}]
