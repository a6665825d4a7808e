"""Does a value read from YAML fit a constructor's annotation?"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from ppdet.core.config import thaw
from ppdet.core.errors import UserError

SEQUENCES = (list, tuple, set, frozenset)


def check_type(value: Any, annotation: Any, path: str) -> None:
    """Raise UserError `path: expected float, found 'abc' (str)` unless `value` fits `annotation`."""
    if not fits(value, annotation):
        found = "null" if value is None else f"{thaw(value)!r} ({_type_name(value)})"
        raise UserError(f"{path}: expected {describe(annotation)}, found {found}")


def fits(value: Any, annotation: Any) -> bool:
    """True where `value` may be passed for `annotation`. An int is a float; a bool is neither; a list is a tuple."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any or annotation is object or isinstance(annotation, TypeVar):
        return True
    if origin is Annotated:
        return fits(value, args[0])
    if is_union(annotation):
        return any(fits(value, choice) for choice in args)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in args)
    if annotation is None or annotation is type(None):
        return value is None
    return _fits_class(value, origin or annotation, args)


def _fits_class(value: Any, kind: Any, args: tuple[Any, ...]) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if is_sequence(kind):
        return isinstance(value, (list, tuple)) and _items_fit(value, kind, args)
    if isinstance(kind, type) and issubclass(kind, Mapping) or kind is dict:
        return isinstance(value, Mapping) and (not args or all(fits(item, args[1]) for item in value.values()))
    return isinstance(value, kind) if isinstance(kind, type) else True


def is_sequence(kind: Any) -> bool:
    """True for the classes a YAML list may stand for."""
    return kind in SEQUENCES or (isinstance(kind, type) and issubclass(kind, Sequence) and kind not in (str, bytes))


def _items_fit(values: Sequence[Any], kind: Any, args: tuple[Any, ...]) -> bool:
    if kind is tuple and args and args[-1] is not Ellipsis:
        return len(values) == len(args) and all(map(fits, values, args))
    return not args or all(fits(item, args[0]) for item in values)


def is_union(annotation: Any) -> bool:
    """True for `X | Y`, `Union[X, Y]` and `Optional[X]`."""
    return get_origin(annotation) in (Union, types.UnionType)


def describe(annotation: Any) -> str:
    """An annotation as a reader of YAML would say it: `float`, `list[int]`, `'COCO' or 'VOC'`, `str or null`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe(args[0])
    if is_union(annotation):
        return " or ".join(dict.fromkeys(part for choice in args for part in describe(choice).split(" or ")))
    if origin is Literal:
        return " or ".join(repr(choice) for choice in args)
    if annotation is None or annotation is type(None):
        return "null"
    if annotation is Any:
        return "any value"
    if args and isinstance(origin, type):
        inner = ", ".join("..." if arg is Ellipsis else describe(arg) for arg in args)
        return f"{_yaml_name(origin)}[{inner}]"
    return _yaml_name(annotation)


def _yaml_name(kind: Any) -> str:
    if isinstance(kind, type) and kind is not str and issubclass(kind, Mapping):
        return "dict"
    return "list" if is_sequence(kind) else getattr(kind, "__name__", str(kind))


def _type_name(value: Any) -> str:
    if isinstance(value, Mapping):
        return "dict"
    return "list" if isinstance(value, (list, tuple)) else type(value).__name__
