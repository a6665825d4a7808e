"""Tables as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ppdet.deploy.errors import printable
from ppdet.deploy.tables import align_columns


def format_table(rows: Sequence[Any]) -> str:
    """Returns named tuples of one type as a table with their field names on top; negative numbers become "-"."""
    if not rows:
        return ""
    return align_columns([rows[0]._fields, *([_text(cell) for cell in row] for row in rows)])


def _text(cell: str | int | float) -> str:
    if not isinstance(cell, str) and cell < 0:
        return "-"
    return f"{cell:.3f}" if isinstance(cell, float) else printable(str(cell))
