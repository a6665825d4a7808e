from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pytest

from ppdet.core.option_docs import meaning, summary, values, values_of
from ppdet.core.ranges import Ascending, Fraction, Length, Positive, Range
from ppdet.core.registry import Component, parameters_of


class Base:
    """The base.

    Args:
        first: said by the base.
        second: said by the base.
    """

    def __init__(self, first: int) -> None: ...


class Thing(Base):
    """A thing with
    a summary.

    Uses `ratio` of the images. Leaves out the others, of which `rest` says the number.

    Args:
        second: said by the thing,
            on two lines.
        third: only one line.
    fourth  in a table
    `fifth`: between backquotes
    """

    def __init__(self, sixth: int) -> None:
        """Args:
        sixth: said by the constructor.
        """


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("first", "said by the base."),
        ("second", "said by the thing, on two lines."),
        ("third", "only one line."),
        ("fourth", "in a table"),
        ("fifth", "between backquotes"),
        ("sixth", "said by the constructor."),
        ("ratio", "Uses `ratio` of the images."),
        ("rest", "Leaves out the others, of which `rest` says the number."),
        ("unknown", ""),
    ],
)
def test_meaning(name: str, text: str) -> None:
    assert meaning(Thing, name) == text


def test_summary() -> None:
    assert summary(Thing) == "A thing with a summary."
    assert summary(object) == "The base class of the class hierarchy."


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (Fraction, "float, 0 to 1"),
        (Positive, "int, at least 1"),
        (Positive | None, "int, at least 1 or null"),
        (Annotated[float, Range(0, 100, exclude="low")], "float, above 0, at most 100"),
        (Annotated[float, Range(high=1, exclude="high")], "float, below 1"),
        (Annotated[float, Range()], "float"),
        (Annotated[Sequence[int], Length(1, 8), Ascending()], "list[int], 1 to 8 values, ascending"),
        (Annotated[Sequence[int], Length(3)], "list[int], 3 values"),
    ],
)
def test_values_of_an_annotation(annotation: Any, text: str) -> None:
    assert values_of(annotation) == text


def test_values_of_a_parameter() -> None:
    class Owner:
        def __init__(self, one: Component[Base], many: list[Component[Base]], any: Component[Any], n: int) -> None: ...

    assert [values(p) for p in parameters_of(Owner).values()] == ["Base", "list of Base", "class", "int"]
