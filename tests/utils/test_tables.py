"""Tables as text."""

from __future__ import annotations

from typing import NamedTuple

from ppdet.utils.tables import format_table


class Row(NamedTuple):
    name: str
    score: float
    count: int


def test_columns_are_aligned_under_their_names() -> None:
    assert format_table([Row("cat", 0.5, 3), Row("elephant", -1.0, 12)]).splitlines() == [
        "name      score  count",
        "cat       0.500      3",
        "elephant      -     12",
    ]


def test_no_rows_and_control_characters() -> None:
    assert format_table([]) == ""
    assert "\x1b" not in format_table([Row("\x1b[31m", 1.0, 1)])
