"""Tables as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ppdet.core.errors import printable


def format_table(rows: Sequence[Any]) -> str:
    """Returns named tuples of one type as a table with their field names on top; negative numbers become "-"."""
    if not rows:
        return ""
    cells = [rows[0]._fields, *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in cells
    )


def _text(cell: str | int | float) -> str:
    if isinstance(cell, float):
        return "-" if cell < 0 else f"{cell:.3f}"
    return printable(str(cell))
