"""Ids that files give to images and classes: numbers of any size and texts. Inside, all are numbered from 0."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TypeGuard

FileId = int | float | str


def is_id(value: Any) -> TypeGuard[FileId]:
    """Whether a value read from JSON can be an id."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def as_number(value: FileId) -> FileId:
    """The number that a text is of ("007" is 7); any other id as it is."""
    if isinstance(value, str):
        with suppress(ValueError):
            return int(value)
    return value


def sort_key(value: FileId) -> tuple[bool, FileId]:
    """Numbers, also in texts, come first and by size; then texts."""
    number = as_number(value)
    return isinstance(number, str), number


class IdIndex:
    """The position of each id. A number is also found by its text, and the other way round, if no other id is both."""

    def __init__(self, ids: Iterable[FileId]) -> None:
        self._exact: dict[FileId, int] = {}
        self._numbers: dict[FileId, int | None] = {}
        for position, value in enumerate(ids):
            self._exact.setdefault(value, position)
            number = as_number(value)
            self._numbers[number] = position if number not in self._numbers else None

    def find(self, value: FileId) -> int | None:
        """The position of the first entry with this id; None where there is none."""
        if value in self._exact:
            return self._exact[value]
        return self._numbers.get(as_number(value))
