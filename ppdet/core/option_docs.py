"""Meaning and values of options in words, from docstrings and annotations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints, is_typeddict

from ppdet.core.ranges import Ascending, Length, Range
from ppdet.core.registry import Parameter
from ppdet.core.typecheck import describe, is_union


def summary(cls: type) -> str:
    """The first paragraph of the docstring of `cls`, on one line."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].split())


def meaning(cls: type, name: str) -> str:
    """The text about the parameter `name` in the docstring of `cls` or of a class that it extends; "" if there is none.

    The text is the entry `name: text` of the docstring, with the lines below it that are indented further, or the first
    sentence that has the name between backquotes.
    """
    docs = list(_docstrings(cls))
    for find in (_entry, _sentence):
        for doc in docs:
            if text := find(doc, name):
                return text
    return ""


def _docstrings(cls: type) -> Iterator[str]:
    for base in inspect.getmro(cls):
        if base.__module__.partition(".")[0] not in ("builtins", "typing", "paddle"):
            own = (base.__dict__.get("__doc__"), getattr(base.__dict__.get("__init__"), "__doc__", None))
            yield from (inspect.cleandoc(doc) for doc in own if doc)


def _entry(doc: str, name: str) -> str:
    lines = doc.split("\n")
    for number, line in enumerate(lines):
        if found := re.match(rf"( *)`?{name}`?(?::| {{2,}})\s*(\S.*)$", line):
            more = _indented(lines[number + 1 :], len(found[1]))
            return " ".join([found[2].strip(), *more])
    return ""


def _indented(lines: list[str], indent: int) -> Iterator[str]:
    """The lines, stripped, up to the first that is not indented by more than `indent`."""
    for line in lines:
        if len(line) - len(line.lstrip()) <= indent:
            return
        yield line.strip()


def _sentence(doc: str, name: str) -> str:
    sentences = re.split(r"(?<=[.:;]) +(?=[A-Z`])|\n\n", " ".join(doc.split("\n")))
    return next((" ".join(each.split()) for each in sentences if f"`{name}`" in each), "")


def values(parameter: Parameter) -> str:
    """The values that a parameter takes: `int, 1 to 65536`, `a Backbone`, `list of Transform`."""
    if not parameter.component:
        return values_of(parameter.annotation)
    kind = getattr(parameter.part_class, "__name__", "class")
    kind = "class" if parameter.part_class is object else kind
    return f"list of {kind}" if parameter.component == "many" else kind


def values_of(annotation: Any) -> str:
    """The values that fit an annotation, with its bounds."""
    if is_union(annotation):
        return " or ".join(dict.fromkeys(map(values_of, get_args(annotation))))
    if is_typeddict(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        return "{" + "; ".join(f"{name}: {values_of(hint)}" for name, hint in hints.items()) + "}"
    if get_origin(annotation) is not Annotated:
        return describe(annotation)
    inner, *marks = get_args(annotation)
    bounds = [mark.words() for mark in marks if isinstance(mark, (Range, Length, Ascending))]
    return ", ".join([values_of(inner), *filter(None, bounds)])
