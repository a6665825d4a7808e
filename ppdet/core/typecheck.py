"""Does a value read from YAML fit a constructor's annotation?"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ppdet.core.config import thaw
from ppdet.core.errors import UserError


def check_type(value: Any, annotation: Any, path: str) -> None:
    """Raise UserError `path: expected float, found 'abc' (str)` unless `value` fits `annotation`."""
    if not fits(value, annotation):
        found = "null" if value is None else f"{thaw(value)!r} ({_yaml_name(type(value))})"
        raise UserError(f"{path}: expected {describe(annotation)}, found {found}")


def fits(value: Any, annotation: Any) -> bool:
    """True where `value` may be passed for `annotation`. An int is a float; a bool is neither; a list is a tuple."""
    origin, args = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if annotation is Any:
        return True
    if origin is Annotated:
        return fits(value, args[0])
    if is_union(annotation):
        return any(fits(value, choice) for choice in args)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in args)
    if annotation is None or annotation is type(None):
        return value is None
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    if is_sequence(kind):
        return isinstance(value, (list, tuple)) and (not args or all(fits(item, args[0]) for item in value))
    if issubclass(kind, Mapping):
        return isinstance(value, Mapping) and (not args or all(fits(item, args[1]) for item in value.values()))
    return isinstance(value, kind)


def is_sequence(kind: Any) -> bool:
    """True for the classes a YAML list may stand for."""
    return isinstance(kind, type) and issubclass(kind, Sequence) and kind not in (str, bytes)


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
        return " or ".join(map(repr, args))
    if annotation is None or annotation is type(None):
        return "null"
    if annotation is Any:
        return "any value"
    return _yaml_name(origin or annotation) + (f"[{', '.join(map(describe, args))}]" if args else "")


def _yaml_name(kind: type) -> str:
    if issubclass(kind, Mapping):
        return "dict"
    return "list" if is_sequence(kind) else kind.__name__
