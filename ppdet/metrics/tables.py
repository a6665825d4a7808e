"""Per-class scores as rows, and rows as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Cell = str | int | float


class CocoRow(NamedTuple):
    """One class in COCO terms; the scores are -1 for a class without ground truth."""

    name: str
    ground_truths: int
    AP: float
    AP50: float


class VocRow(NamedTuple):
    """One class in VOC terms; AP is -1 for a class without ground truth."""

    name: str
    ground_truths: int
    AP: float


def format_table(rows: Sequence[CocoRow] | Sequence[VocRow]) -> str:
    """Lay the rows out in columns under their field names; "-" where there is nothing to score."""
    if not rows:
        return ""
    cells = [rows[0]._fields, *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in cells
    )


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return "-" if cell < 0 else f"{cell:.3f}"
    return str(cell)
