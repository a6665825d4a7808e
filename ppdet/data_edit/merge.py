"""Merges data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data_check.classes import comparable
from ppdet.data_edit.align import in_two_splits, joined, listed_again, same_classes
from ppdet.data_edit.parts import Part


def merge(sources: Sequence[Path], parts_of: Sequence[Sequence[Part]]) -> tuple[list[Part], list[str]]:
    """One part for each name of a split, with the images of all data sets; and remarks.

    Args:
        sources: where the data sets come from, for messages.
        parts_of: the splits of each data set. Classes are the same if their names are.
    """
    names = list(dict.fromkeys(part.name for parts in parts_of for part in parts))
    whole = [source for source, parts in zip(sources, parts_of, strict=True) if parts[0].name == "all"]
    if whole and len(names) > 1:
        others = ", ".join(name for name in names if name != "all")
        raise UserError(f"{whole[0]}: has no splits, but other data sets have {others}; use `ppdet data split` first")
    aligned = same_classes([part for parts in parts_of for part in parts])
    merged = [joined(name, [part for part in aligned if part.name == name]) for name in names]
    remarks = _partly_annotated(sources, parts_of) + _alike(aligned[0].classes) + listed_again(aligned, merged)
    return merged, remarks + in_two_splits(merged)


def _partly_annotated(sources: Sequence[Path], parts_of: Sequence[Sequence[Part]]) -> list[str]:
    """A remark on each data set that lacks classes of another one."""
    classes = [{name for part in parts for name in part.classes} for parts in parts_of]
    lacking = [(source, sorted(set().union(*classes) - own)) for source, own in zip(sources, classes, strict=True)]
    return [
        f"{source} has no class {', '.join(names[:10])}: objects of it in its images count as background; annotate them"
        for source, names in lacking
        if names
    ]


def _alike(names: Sequence[str]) -> list[str]:
    """A remark on the first two classes that a person would take for one."""
    first: dict[str, str] = {}
    pairs = [(other, name) for name in names if (other := first.setdefault(comparable(name), name)) != name]
    return [
        f"the classes {other!r} and {name!r} differ by case or blanks only; `ppdet data remap` joins them"
        for other, name in pairs[:1]
    ]
