"""The records of metrics.jsonl as a table with one row for each epoch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
Row = dict[str, float]
_NOT_A_SCORE = ("kind", "updates", "epoch")


def read_records(metrics: Path) -> list[dict[str, Any]]:
    """The records of the file, without those that cannot be read; none if there is no file."""
    records = []
    if metrics.is_file():
        with metrics.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                with suppress(ValueError):
                    records.append(json.loads(line))
    return [record for record in records if isinstance(record, dict) and "epoch" in record]


def epoch_rows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One row for each epoch that has records, in ascending order.

    Columns: epoch, updates, lr (of the last step), the losses (mean over the steps), images_per_second (mean over the
    time), memory_mb (the highest), and after an evaluation its scores.
    """
    by_epoch: dict[int, list[Mapping[str, Any]]] = {}
    for record in records:
        by_epoch.setdefault(int(record["epoch"]), []).append(record)
    return [_row(epoch, by_epoch[epoch]) for epoch in sorted(by_epoch)]


def _row(epoch: int, records: list[Mapping[str, Any]]) -> Row:
    row: Row = {"epoch": epoch, "updates": records[-1]["updates"]}
    lines = [record for record in records if record["kind"] == "train"]
    if lines:
        ends = [line["step"] for line in lines]
        steps = [max(end - before, 1) for end, before in zip(ends, [0, *ends], strict=False)]
        seconds = [count * line["step_seconds"] for count, line in zip(steps, lines, strict=True)]
        row["lr"] = lines[-1]["lr"]
        for name in filter(lambda name: name.startswith("loss"), lines[-1]):
            row[name] = _mean([line[name] for line in lines], steps)
        row["images_per_second"] = _mean([line["images_per_second"] for line in lines], seconds)
        row["memory_mb"] = max(line["memory_mb"] for line in lines)
    for record in records:
        if record["kind"] == "eval":
            row |= {name: value for name, value in record.items() if name not in _NOT_A_SCORE}
    return row


def _mean(values: list[float], weights: list[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)
