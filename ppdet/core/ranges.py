"""Bounds that constructors put on their options by annotation; `typecheck.check_type` enforces them.

    def __init__(self, prob: Fraction = 0.5, std: Annotated[Sequence[float], Length(3)] = …) -> None: ...

A number without a Range is only required to be finite; tests/test_options.py asks every registered class for one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

INT_MAX = 2**31 - 1
_FLOAT_MAX = 3.4e38  # of a float32


@dataclass(frozen=True)
class Range:
    """Bounds of a number; `exclude` names those that are themselves out of the range."""

    low: float = -math.inf
    high: float = math.inf
    exclude: Literal["none", "low", "high", "both"] = "none"

    def expected(self, value: float) -> str | None:
        """The bound that `value` breaks, in words; None if it is within the bounds."""
        open_low, open_high = self.exclude in ("low", "both"), self.exclude in ("high", "both")
        if value < self.low or (open_low and value == self.low):
            return f"{'above' if open_low else 'at least'} {self.low}"
        if value > self.high or (open_high and value == self.high):
            return f"{'below' if open_high else 'at most'} {self.high}"
        return None

    def words(self) -> str:
        """The bounds in words: `0 to 1`, `above 0`; "" if there are none."""
        low, high = self.low > -math.inf, self.high < min(math.inf, INT_MAX)
        if low and high and self.exclude == "none":
            return f"{self.low} to {self.high}"
        parts = [f"{'above' if self.exclude in ('low', 'both') else 'at least'} {self.low}"] * low
        parts += [f"{'below' if self.exclude in ('high', 'both') else 'at most'} {self.high}"] * high
        return ", ".join(parts)


@dataclass(frozen=True)
class Length:
    """The number of values in a list: `low`, or from `low` to `high`."""

    low: int
    high: int | None = None

    def expected(self, value: Sequence[object]) -> str | None:
        """The length that a list of another length should have; None if the length is right."""
        high = self.low if self.high is None else self.high
        if self.low <= len(value) <= high:
            return None
        return self.words()

    def words(self) -> str:
        """The length in words: `3 values`, `1 to 8 values`."""
        return f"{self.low} values" if self.high in (None, self.low) else f"{self.low} to {self.high} values"


@dataclass(frozen=True)
class Ascending:
    """The order of a list: each number is larger than the one before it, or equal to it unless `strict`."""

    strict: bool = True

    def expected(self, value: Sequence[float]) -> str | None:
        """The order that a list in another order should have; None if the order is right."""
        if all(a < b or (a == b and not self.strict) for a, b in pairwise(value)):
            return None
        return "numbers in ascending order" + (", each once" if self.strict else "")

    def words(self) -> str:
        """The order in words."""
        return "ascending"


def is_finite(value: float) -> bool:
    """True if a float32 can hold a number, which may be an int of any size."""
    return abs(value) <= _FLOAT_MAX


Count = Annotated[int, Range(0, INT_MAX)]
Positive = Annotated[int, Range(1, INT_MAX)]
MinusOneOrMore = Annotated[int, Range(-1, INT_MAX)]  # where -1 means: no limit, never
Finite = Annotated[float, Range()]
AboveZero = Annotated[float, Range(0, exclude="low")]
NotNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
Inside = Annotated[float, Range(0, 1, exclude="both")]  # a fraction that is neither 0 nor 1
Pixels = Annotated[int, Range(1, 2**14)]  # a side of an image that a model gets
Channels = Annotated[int, Range(1, 2**13)]
KernelSize = Literal[1, 3, 5, 7, 9, 11]
