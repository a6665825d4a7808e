"""Renames, joins and leaves out classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from ppdet.core.errors import UserError
from ppdet.data_edit.align import reclassed, same_classes
from ppdet.data_edit.parts import Part
from ppdet.utils.json_file import UNFIT

_FORM = 'expected classes as in "car,truck->vehicle;person"'
_SIGN = re.compile(r"\\(?=[,;]|->)")  # makes the mark after it a part of the name


def parse_classes(text: str) -> dict[str, str]:
    """The new name of each old class, in the order of `text`: "a,b->c;d" makes c of a and b, and keeps d.

    A backslash before `,`, `;` or `->` makes it a part of the name.
    """
    new: dict[str, str] = {}
    for group in filter(None, _divide(text, ";")):
        old, *targets = _divide(group, "->")
        names, target = split_names(old), _SIGN.sub("", targets[0]) if targets else ""
        if not all(names) or len(targets) > 1 or (targets and (not target or len(_divide(targets[0], ",")) > 1)):
            raise UserError(f"--classes: found {group!r}; {_FORM}")
        if UNFIT.search(target):
            raise UserError(f"--classes: the class name {target!r} holds control characters; correct it")
        for name in names:
            if name in new:
                raise UserError(f"--classes: names {name!r} twice; name each class once")
            new[name] = target or name
    if not new:
        raise UserError(f"--classes: found no class; {_FORM}")
    return new


def split_names(text: str) -> list[str]:
    """The names in "car,truck"."""
    return [_SIGN.sub("", name) for name in _divide(text, ",")]


def _divide(text: str, mark: str) -> list[str]:
    return [part.strip() for part in re.split(rf"(?<!\\){mark}", text)]


def remap(parts: Sequence[Part], new: Mapping[str, str]) -> tuple[list[Part], list[str]]:
    """The parts with the classes of `new`, and remarks. Objects of other classes are left out; all images stay.

    A new class has the other fields of the first class that it is made of, as its id.
    """
    parts = same_classes(parts)
    known = parts[0].classes
    new = {find_class(name, known): target for name, target in new.items()}
    targets = list(dict.fromkeys(new.values()))
    sources = {target: known.index(name) for name, target in reversed(list(new.items()))}
    categories = [dict(parts[0].categories[sources[target]]) | {"name": target} for target in targets]
    index = [targets.index(new[name]) if name in new else None for name in known]
    return [reclassed(part, index, categories) for part in parts], _remarks(parts, index)


def find_class(name: str, known: Sequence[str]) -> str:
    """The class of that name, but for space around it. Raises UserError if there is none, or more than one."""
    if name not in known:
        found = [each for each in known if each.strip() == name]
        if len(found) == 1:
            return found[0]
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known[:20])}"
        raise UserError(f"--classes: the data has no class {name!r}; {hint}")
    if known.count(name) > 1:
        raise UserError(
            f"--classes: {known.count(name)} classes are called {name!r}; give each a name of its own first"
        )
    return name


def _remarks(parts: Sequence[Part], index: Sequence[int | None]) -> list[str]:
    gone = [name for name, new in zip(parts[0].classes, index, strict=True) if new is None]
    objects = [each for part in parts for picture in part.pictures for each in picture.objects]
    lost = sum(index[each.class_index] is None for each in objects)
    pictures = [picture for part in parts for picture in part.pictures if picture.objects]
    emptied = sum(all(index[each.class_index] is None for each in picture.objects) for picture in pictures)
    if not gone:
        return []
    left_out = f"{len(gone)} classes are left out with {lost} objects: {', '.join(gone[:10])}"
    stay = f"{emptied} images have no object any more; they stay, and are trained on with allow_empty: true"
    return [left_out, stay] if emptied else [left_out]
