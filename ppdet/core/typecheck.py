"""Checks values read from YAML against the annotations of constructors, and against the bounds in these."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from ppdet.core.config import thaw
from ppdet.core.errors import UserError, nearest
from ppdet.core.ranges import Ascending, Length, Range, is_finite

_LONGEST = 200  # characters of a value in a message


def check_type(value: Any, annotation: Any, path: str) -> None:
    """Raise UserError `path: expected float, found 'abc' (str)` unless `value` fits `annotation` and its bounds.

    Numbers are finite everywhere. A TypedDict stands for a mapping with these keys and no others; among several in a
    union the key `type` decides; null takes away an optional key that another config set.
    """
    if not fits(value, annotation):
        kind = "null" if value is None else f"{shown(value)} ({_yaml_name(type(value))})"
        raise UserError(f"{path}: expected {describe(annotation)}, found {kind}")
    _check_bounds(value, annotation, path)


def fits(value: Any, annotation: Any) -> bool:
    """True if `value` may be passed for `annotation`. An int is a float; a bool is neither; a list is a tuple."""
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
        if not isinstance(value, (list, tuple)) or _places(annotation) not in (None, len(value)):
            return False
        return all(fits(item, hint) for item, hint in _items(value, annotation))
    if is_typeddict(kind):
        return isinstance(value, Mapping)
    if issubclass(kind, Mapping):
        return isinstance(value, Mapping) and (not args or all(fits(item, args[1]) for item in value.values()))
    return isinstance(value, kind)


def converted(value: Any, annotation: Any) -> Any:
    """A plain copy of `value`, which fits `annotation`, with a float for each int where the annotation is float."""
    if value is None:  # also in place of an optional key that it takes away
        return None
    annotation = _choice(value, annotation)
    if get_origin(annotation) is Annotated:
        return converted(value, get_args(annotation)[0])
    if isinstance(value, (list, tuple)):
        return [converted(item, hint) for item, hint in _items(value, annotation)]
    if isinstance(value, Mapping):
        hints = _value_hints(value, annotation)
        return {key: converted(item, hints[key]) for key, item in value.items()}
    return float(value) if annotation is float and type(value) is int else value


def is_sequence(kind: Any) -> bool:
    """True for the classes a YAML list may stand for."""
    return isinstance(kind, type) and issubclass(kind, Sequence) and kind not in (str, bytes)


def is_union(annotation: Any) -> bool:
    """True for `X | Y`, `Union[X, Y]` and `Optional[X]`."""
    return get_origin(annotation) in (Union, types.UnionType)


def describe(annotation: Any) -> str:
    """An annotation in the words of YAML: `float`, `list[int]`, `'COCO' or 'VOC'`, `str or null`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return describe(args[0])
    if is_union(annotation) or origin is Literal:
        return " or ".join(dict.fromkeys(_alternatives(annotation)))
    if annotation is None or annotation is type(None):
        return "null"
    if annotation is Any:
        return "any value"
    return _yaml_name(origin or annotation) + (f"[{', '.join(map(describe, args))}]" if args else "")


def _alternatives(annotation: Any) -> Iterator[str]:
    """Describe each member of a union or Literal; anything else as a whole."""
    origin, args = get_origin(annotation), get_args(annotation)
    if is_union(annotation):
        for choice in args:
            yield from _alternatives(choice)
    elif origin is Annotated:
        yield from _alternatives(args[0])
    elif origin is Literal:
        yield from map(repr, args)
    else:
        yield describe(annotation)


def shown(value: Any) -> str:
    """A value of a config for a message, cut if it is long."""
    try:
        text = repr(thaw(value))
    except ValueError:  # Python prints no int of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _check_bounds(value: Any, annotation: Any, path: str) -> None:
    """Raise UserError if a number, a list or a key in `value` is out of bounds. `value` fits `annotation`."""
    if isinstance(value, Mapping) and (problem := _unknown_type(value, annotation)):
        raise UserError(f"{path}.type: {problem}")
    annotation = _choice(value, annotation)
    bounds: Sequence[Any] = ()
    if get_origin(annotation) is Annotated:
        annotation, *bounds = get_args(annotation)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not is_finite(value):
        raise UserError(f"{path}: expected a finite number, found {shown(value)}")
    for bound in bounds:
        if isinstance(bound, (Range, Length, Ascending)) and (expected := bound.expected(value)):
            raise UserError(f"{path}: expected {expected}, found {shown(value)}")
    if isinstance(value, (list, tuple)):
        for index, (item, hint) in enumerate(_items(value, annotation)):
            _check_bounds(item, hint, f"{path}.{index}")
    elif is_typeddict(annotation):
        _check_keys(value, annotation, path)
    elif isinstance(value, Mapping):
        hints = _value_hints(value, annotation)
        for key, item in value.items():
            _check_bounds(item, hints[key], f"{path}.{key}")


def _check_keys(value: Mapping[str, Any], annotation: Any, path: str) -> None:
    hints = get_type_hints(annotation, include_extras=True)
    for key, item in value.items():
        if key not in hints and item is not None:
            owner = f" of {value['type']}" if "type" in value else ""
            hint = nearest(key, hints.keys() - {"type"})
            raise UserError(f"{path}.{key}: no option{owner}{hint} (null takes away that of a base config)")
        if item is not None or key in annotation.__required_keys__:
            check_type(item, hints[key], f"{path}.{key}")
    for key in sorted(annotation.__required_keys__):
        if key not in value:
            raise UserError(f"{path}.{key}: required, not given")


def _choice(value: Any, annotation: Any) -> Any:
    """The member of a union that `value` fits, chosen by `type` among TypedDicts; `annotation` if it is no union."""
    if not is_union(annotation):
        return annotation
    fitting = [choice for choice in get_args(annotation) if fits(value, choice)]
    for choice in fitting:
        if is_typeddict(choice) and value.get("type") in _types(choice):
            return choice
    return fitting[0]


def _unknown_type(value: Mapping[str, Any], annotation: Any) -> str | None:
    """The problem with the `type` of a mapping for a union of TypedDicts; None if they have that type."""
    choices = [choice for choice in get_args(annotation) if is_typeddict(choice)] if is_union(annotation) else []
    known = [name for choice in choices for name in _types(choice)]
    if not known or value.get("type") in known:
        return None
    if "type" not in value:
        return f"required, not given; expected one of {', '.join(known)}"
    found = value["type"]
    return f"expected one of {', '.join(known)}, found {shown(found)}{nearest(str(found), known)}"


def _types(typed_dict: Any) -> tuple[Any, ...]:
    return get_args(get_type_hints(typed_dict).get("type"))


def _items(value: Sequence[Any], annotation: Any) -> Iterator[tuple[Any, Any]]:
    """Each item of a list with its annotation."""
    args = get_args(annotation)
    return zip(value, args if _places(annotation) else [args[0] if args else Any] * len(value), strict=True)


def _places(annotation: Any) -> int | None:
    """The number of items of a tuple[X, Y], which has an annotation for each; None for any other list."""
    args = get_args(annotation)
    return len(args) if get_origin(annotation) is tuple and Ellipsis not in args else None


def _value_hints(value: Mapping[str, Any], annotation: Any) -> Mapping[str, Any]:
    if is_typeddict(annotation):
        return dict.fromkeys(value, Any) | get_type_hints(annotation, include_extras=True)
    args = get_args(annotation)
    return dict.fromkeys(value, args[1] if len(args) == 2 else Any)


def _yaml_name(kind: type) -> str:
    if is_typeddict(kind) or issubclass(kind, Mapping):
        return "dict"
    return "list" if is_sequence(kind) else kind.__name__
