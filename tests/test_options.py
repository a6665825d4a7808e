"""Every option that a config can set says what values it may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from ppdet.catalog import load_classes
from ppdet.core.ranges import Range
from ppdet.core.registry import class_table, parameters_of
from ppdet.core.settings import ExportSettings, Settings

load_classes()


def unbounded(annotation: Any, path: str) -> Iterator[str]:
    """The numbers without a Range and the mappings without known keys that `annotation` admits."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *marks = args
        if inner not in (int, float) or not any(isinstance(mark, Range) for mark in marks):
            yield from unbounded(inner, path)
    elif is_typeddict(annotation):
        for key, hint in get_type_hints(annotation, include_extras=True).items():
            yield from unbounded(hint, f"{path}.{key}")
    elif annotation in (int, float, Any, dict, list, tuple) or (isinstance(origin, type) and issubclass(origin, dict)):
        yield path
    elif origin is not Literal:
        for choice in args:
            yield from unbounded(choice, path)


def options_of(cls: type) -> dict[str, Any]:
    """The annotations of a registered class's options that hold plain values."""
    options = parameters_of(cls).values()
    return {option.name: option.annotation for option in options if not option.component}


@pytest.mark.parametrize("cls", class_table().values(), ids=lambda cls: cls.__name__)
def test_every_number_of_a_registered_class_has_a_range(cls: type) -> None:
    hints = options_of(cls) | getattr(cls, "fixed_options", {})
    assert [path for name, hint in hints.items() for path in unbounded(hint, name)] == []


@pytest.mark.parametrize("cls", [Settings, ExportSettings])
def test_every_number_of_the_run_keys_has_a_range(cls: type) -> None:
    hints = get_type_hints(cls, include_extras=True)
    assert [path for name, hint in hints.items() for path in unbounded(hint, name)] == []


def test_the_walk_finds_what_has_none() -> None:
    class Loose:
        def __init__(self, a: float, b: list[int], c: dict[str, Any], d: tuple[int, str] | None, e: str, f: Any): ...

    hints = options_of(Loose)
    assert [path for name, hint in hints.items() for path in unbounded(hint, name)] == ["a", "b", "c", "d", "f"]


@pytest.mark.parametrize("cls", class_table().values(), ids=lambda cls: cls.__name__)
def test_what_a_class_ignores_or_fixes_is_no_option_of_it(cls: type) -> None:
    ignored, fixed = (set(getattr(cls, name, {})) for name in ("ignored_options", "fixed_options"))
    assert not ignored & fixed
    assert not (ignored | fixed) & set(options_of(cls))
