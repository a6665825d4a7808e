"""Comparing lists of class names, and matching them."""

from __future__ import annotations

import random

import pytest

from ppdet.weights.class_names import describe_difference, left_over, match_names, some

LONG = [f"c{number}" for number in range(80)]
CASES: dict[str, tuple[list[str], list[str], list[int | None]]] = {
    "equal": (["a", "b"], ["a", "b"], [0, 1]),
    "another order": (["b", "a"], ["a", "b"], [1, 0]),
    "case": (["Car"], ["bus", "car"], [1]),
    "blanks": (["trafficlight", " bus "], ["bus", "traffic light"], [1, 0]),
    "an equal name wins over one of another case": (["CAR", "car"], ["car", "Car"], [1, 0]),
    "nothing": (["x"], ["a"], [None]),
    "names that are given twice": (["a", "a", "a", "b"], ["a", "b", "a"], [0, 2, None, 1]),
    "empty": ([], ["a"], []),
}


@pytest.mark.parametrize("case", CASES)
def test_names_that_match(case: str) -> None:
    found, expected, positions = CASES[case]
    assert match_names(found, expected) == positions


def test_any_order_of_many() -> None:
    shuffled = random.Random(0).sample(LONG, 80)
    positions = match_names(shuffled, LONG)
    assert [LONG[position] for position in positions if position is not None] == shuffled
    assert left_over(shuffled, LONG, positions) == ([], [])


def test_what_has_no_partner() -> None:
    assert left_over(["a", "x"], ["b", "a", "c"], [1, None]) == (["x"], ["b", "c"])
    assert some(LONG) == ", ".join(LONG[:12]) + " and 68 more"
    assert some([]) == ""


@pytest.mark.parametrize(
    ("found", "expected", "text"),
    [
        (
            ["b", "a"],
            ["a", "b"],
            "class 0 is 'b' there but 'a' in W; found b, a; expected a, b; put its categories (JSON) or lines (label "
            "list) in that order, or add --remap_classes to match them by name",
        ),
        (
            ["a", "B"],
            ["a", "b"],
            "class 1 is 'B' there but 'b' in W; found a, B; expected a, b; list the same classes in the same order "
            "(but for case or blanks 'B' is 'b'), or add --remap_classes to match them by name",
        ),
        (
            ["a", "c"],
            ["a", "b"],
            "class 1 is 'c' there but 'b' in W; found a, c; expected a, b; list the same classes in the same order "
            "(added: c; lacking: b), or add --remap_classes to match by name what is in both",
        ),
        (
            ["a", "b", "c"],
            ["a", "b"],
            "lists 3 classes but W has 2; found a, b, c; expected a, b; list the same classes in the same order "
            "(added: c), or add --remap_classes to match by name what is in both",
        ),
        (
            ["x", "y"],
            ["a", "b"],
            "class 0 is 'x' there but 'a' in W; found x, y; expected a, b; no class is in both: check -c "
            "and the weights",
        ),
    ],
)
def test_the_words(found: list[str], expected: list[str], text: str) -> None:
    assert describe_difference(found, expected, "W") == text


def test_long_lists_are_shown_around_the_first_difference() -> None:
    swapped = [*LONG[:40], "c41", "c40", *LONG[42:]]
    assert (
        "class 40 is 'c41' there but 'c40' in W; found 80 classes (…, c39, c41, c40, c42, …); "
        "expected 80 classes (…, c39, c40, c41, c42, …); put its"
    ) in describe_difference(swapped, LONG, "W")
    assert "found 79 classes (…, c78); expected 80 classes (…, c78, c79); list" in describe_difference(
        LONG[:-1], LONG, "W"
    )
