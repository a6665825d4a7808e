from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict

import pytest

from ppdet.core.errors import UserError
from ppdet.core.ranges import AboveZero, Ascending, Count, Finite, Fraction, Inside, Length, Pixels, Positive
from ppdet.core.typecheck import check_type, converted


class Momentum(TypedDict, total=False):
    type: Literal["Momentum"]
    momentum: Fraction


class AdamW(TypedDict, total=False):
    type: Literal["AdamW"]
    weight_decay: Finite


class Decay(TypedDict):
    type: Literal["L1", "L2"]
    factor: Fraction


Pair = Annotated[tuple[AboveZero, AboveZero], Ascending(strict=False)]
Sizes = Sequence[tuple[Pixels, Pixels] | Pixels] | Pixels

FITTING = [
    (0, Count),
    (1, Fraction),
    (0, Fraction),
    (0.5, Inside),
    (None, Positive | None),
    ([1, 1], Pair),
    ([0.1, 2], Pair),
    (320, Sizes),
    ([320, [64, 96]], Sizes),
    ([2, 3, 7], Annotated[Sequence[int], Ascending()]),
    ({"type": "Momentum", "momentum": 0.9}, Momentum | AdamW),
    ({"type": "AdamW", "momentum": None}, Momentum | AdamW),
    ({"type": "L2", "factor": 0}, Decay | None),
    (None, Decay | None),
    ({"a": {"b": [1.5]}}, Any),
]
NOT_FITTING = [
    (-1, Count, "k: expected at least 0, found -1"),
    (2**31, Positive, f"k: expected at most {2**31 - 1}, found {2**31}"),
    (0, Positive | None, "k: expected at least 1, found 0"),
    (1.5, Fraction, "k: expected at most 1, found 1.5"),
    (0.0, AboveZero, "k: expected above 0, found 0.0"),
    (1, Inside, "k: expected below 1, found 1"),
    (float("nan"), float, "k: expected a finite number, found nan"),
    (float("-inf"), Finite, "k: expected a finite number, found -inf"),
    (10**400, Finite, f"k: expected a finite number, found {'1' + '0' * 199}…"),
    (10**5000, Finite, "k: expected a finite number, found a number of thousands of digits"),
    ([1, float("inf")], Any, "k.1: expected a finite number, found inf"),
    ({"a": [float("nan")]}, Mapping[str, Any], "k.a.0: expected a finite number, found nan"),
    ([1], Pair, "k: expected list[float, float], found [1] (list)"),
    ([], Pair, "k: expected list[float, float], found [] (list)"),
    ([1, 2, 3], Pair, "k: expected list[float, float], found [1, 2, 3] (list)"),
    (
        [1, 4],
        tuple[int | None, Literal[3], Literal[-1] | Positive] | tuple[Literal[3], Literal[-1] | Positive],
        "k: expected list[int or null, 3, -1 or int] or list[3, -1 or int], found [1, 4] (list)",
    ),
    ([2, 1], Pair, "k: expected numbers in ascending order, found [2, 1]"),
    ([0, 1], Pair, "k.0: expected above 0, found 0"),
    ([3, 3], Annotated[Sequence[int], Ascending()], "k: expected numbers in ascending order, each once, found [3, 3]"),
    ([1, 2], Annotated[Sequence[int], Length(3)], "k: expected 3 values, found [1, 2]"),
    ([], Annotated[Sequence[int], Length(1, 4)], "k: expected 1 to 4 values, found []"),
    ([320, [64, 0]], Sizes, "k.1.1: expected at least 1, found 0"),
    (0, Sizes, "k: expected at least 1, found 0"),
    ({"type": "Momentum", "momentum": 5}, Momentum | AdamW, "k.momentum: expected at most 1, found 5"),
    (
        {"type": "AdamW", "momentum": 0.9},
        Momentum | AdamW,
        "k.momentum: no option of AdamW; the nearest known name is 'weight_decay' (null takes away that of a base",
    ),
    (
        {"type": "Adamw"},
        Momentum | AdamW,
        "k.type: expected one of Momentum, AdamW, found 'Adamw'; did you mean 'AdamW'?",
    ),
    ({"momentum": 0.9}, Momentum | AdamW, "k.type: required, not given; expected one of Momentum, AdamW"),
    ({"type": "L2"}, Decay | None, "k.factor: required, not given"),
    ({"type": "L2", "factr": 1}, Decay | None, "k.factr: no option of L2; did you mean 'factor'?"),
    ({"type": "L2", "factor": None}, Decay | None, "k.factor: expected float, found null"),
]


@pytest.mark.parametrize(("value", "annotation"), FITTING)
def test_within_bounds(value: Any, annotation: Any) -> None:
    check_type(value, annotation, "k")


@pytest.mark.parametrize(("value", "annotation", "message"), NOT_FITTING, ids=range(len(NOT_FITTING)))
def test_out_of_bounds(value: Any, annotation: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        check_type(value, annotation, "k")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, Fraction, 1.0),
        (1, Fraction | None, 1.0),
        (1, int | float, 1),
        (True, bool, True),
        ((1, 2), Pair, [1.0, 2.0]),
        ((1, (2, 3)), Sizes, [1, [2, 3]]),
        ({"type": "Momentum", "momentum": 0}, Momentum | AdamW, {"type": "Momentum", "momentum": 0.0}),
        ({"a": (1, 2)}, Any, {"a": [1, 2]}),
    ],
)
def test_an_int_becomes_a_float_where_one_is_asked_for(value: Any, annotation: Any, expected: Any) -> None:
    assert repr(converted(value, annotation)) == repr(expected)
