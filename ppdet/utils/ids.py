"""Ids of images and classes in files: numbers of any size, or texts. The program numbers both from 0."""

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
    """Returns a text of digits as a number ("007" is 7), and any other id unchanged."""
    if isinstance(value, str):
        with suppress(ValueError):
            return int(value)
    return value


def sort_key(value: FileId) -> tuple[bool, FileId]:
    """Returns a key that sorts numbers, also those in texts, by size and before other texts."""
    number = as_number(value)
    return isinstance(number, str), number


class IdIndex:
    """The position of each id. Finds a number by its text and a text by its number, unless two ids are equal then."""

    def __init__(self, ids: Iterable[FileId]) -> None:
        self._exact: dict[FileId, int] = {}
        self._numbers: dict[FileId, int | None] = {}
        for position, value in enumerate(ids):
            self._exact.setdefault(value, position)
            number = as_number(value)
            self._numbers[number] = position if number not in self._numbers else None

    def find(self, value: FileId) -> int | None:
        """Returns the position of the first entry with this id, or None."""
        if value in self._exact:
            return self._exact[value]
        return self._numbers.get(as_number(value))
