"""Lengths of time in words."""

from __future__ import annotations

import pytest

from ppdet.core.durations import seconds_of
from ppdet.core.errors import UserError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2h", 7200),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("3600 s", 3600),
        ("1d2h3m4s", 93784),
        ("1.5H", 5400),
        ("0h 1s", 1),
        ("45", 45),
        (45, 45),
        (0.5, 0.5),
    ],
)
def test_lengths(value: str | float, seconds: float) -> None:
    assert seconds_of(value, "max_time") == seconds


@pytest.mark.parametrize(
    "value", ["", " ", "soon", "2 hours", "1h30", "30m1h", "-2h", "2h2h", "h", "0h", "٢h", "9" * 400 + "h", 0, -1, 1e30]
)
def test_what_is_no_length(value: str | float) -> None:
    with pytest.raises(UserError) as error:
        seconds_of(value, "max_time")
    assert str(error.value).startswith("max_time: found ")
    assert str(error.value).endswith("; expected a length of time above 0: 2h, 90m, 1h30m or 3600 s")
