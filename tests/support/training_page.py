"""A small training for its page, with names that could be markup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ppdet.report.followed import Follow, choose
from ppdet.report.parts import dataset_part
from ppdet.report.training_page import State, Training
from tests.support.evaluated import make_records

BIG, AWAY = [20, 20, 120, 120], [150, 150, 190, 190]
EVIL = '</script><img src=x onerror=alert(1)>"{{ 1 }}`'


def make_training(folder: Path, epochs: int = 3, names: Any = ("cat", EVIL), **changes: Any) -> Training:
    """A training that was evaluated after each epoch, with the best score in the second one."""
    records = make_records(
        [[[0, *BIG], [1, *AWAY]], [[0, *BIG]], []], folder, ["a b.png", f"{EVIL[9:15]}#'.png", "c.png"]
    )
    follow = Follow(folder / "boxes.jsonl", choose(records, 0), names)
    lines, evaluations = [], []
    for epoch in range(1, epochs + 1):
        lines += [line(epoch, step) for step in (5, 10)]
        evaluations.append({"kind": "eval", "epoch": epoch, "AP": 0.1 if epoch != 2 else 0.25, "APs": -1.0})
        follow.add(epoch, [(0, np.array([[1, 0.9, *BIG], [0, 0.2, *AWAY]])), (1, np.zeros((0, 6)))])
    rows = [{"epoch": each["epoch"], "lr": 0.01, "loss": 1.5, "AP": each["AP"], "APs": -1.0} for each in evaluations]
    values = {
        "name": EVIL,
        "state": State("running", f"epoch 3 of 9 {EVIL}", True, "2026-01-02T03:04:05"),
        "score": "AP",
        "steps": 10,
        "lines": lines,
        "evaluations": evaluations,
        "rows": rows,
        "sentences": [EVIL],
        "follow": follow,
        "sheets": [],
        "dataset": dataset_part(folder, names, {"training": records}, EVIL),
        "facts": [("command", EVIL)],
        "config": EVIL,
    }
    return Training(**{**values, **changes})


def line(epoch: int, step: int, **values: float) -> dict[str, Any]:
    numbers = {"lr": 0.01, "loss": 2.0 / epoch, "loss_vfl": 1.0, "images_per_second": 8.0, "memory_mb": 5.0}
    return {"kind": "train", "epoch": epoch, "step": step} | numbers | values
