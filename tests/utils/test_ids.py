"""Ids of any kind, in order and looked up."""

from __future__ import annotations

import pytest

from ppdet.utils.ids import IdIndex, as_number, is_id, sort_key


@pytest.mark.parametrize(
    ("value", "fits"),
    [(3, True), (2**80, True), ("a", True), (1.5, True), (float("nan"), False), (True, False), (None, False)],
)
def test_what_can_be_an_id(value, fits) -> None:
    assert is_id(value) == fits


def test_texts_of_digits_are_numbers() -> None:
    assert [as_number(value) for value in ("007", "a", 7, "1.5")] == [7, "a", 7, "1.5"]


def test_numbers_come_before_texts_and_by_size() -> None:
    assert sorted(["b", 10, "9", "a", 2], key=sort_key) == [2, "9", 10, "a", "b"]


def test_a_number_is_found_by_its_text() -> None:
    index = IdIndex([5, "007", "x"])
    assert [index.find(value) for value in (5, "5", 7, "007", "7", "x", "y")] == [0, 0, 1, 1, 1, 2, None]


def test_an_ambiguous_number_is_not_guessed() -> None:
    index = IdIndex(["7", "007"])
    assert [index.find(value) for value in ("7", "007", 7)] == [0, 1, None]
