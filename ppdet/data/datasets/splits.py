"""Finds the part of a folder that holds a split, by the names that people give to splits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import Part

_NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_WORD = re.compile(r"[a-z]+")


def names_of(split: str) -> tuple[str, ...]:
    """The names of a split, `split` first."""
    known = next((names for names in _NAMES.values() if split in names), ())
    return (split, *(name for name in known if name != split))


def belongs(name: str, split: str) -> bool:
    """Whether one of the words in a name, as in `annotations/instances_train2017.json`, is the split."""
    return split == name or bool(set(_WORD.findall(name.lower())) & set(names_of(split)))


def choose(root: Path, parts: Sequence[Part], split: str) -> Part:
    """The part of `root` that is the split; without a split the only one. Raises UserError if it is not clear."""
    listed = ", ".join(part.name for part in parts[:10])
    if not split:
        if len(parts) > 1:
            raise UserError(f"{root}: holds {len(parts)} splits ({listed}); set split to one of them")
        return parts[0]
    exact = [part for part in parts if Path(part.name).stem in names_of(split)]
    found = exact or [part for part in parts if belongs(part.name, split)]
    if not found:
        raise UserError(
            f"{root}: has no split {split!r}, only {listed}; name a file or folder {split}, set split to one of "
            "these, or leave split out if there is only one"
        )
    if len(found) > 1:
        names = ", ".join(part.name for part in found[:10])
        raise UserError(f"{root}: several files may be the split {split!r} ({names}); set split to one of them")
    return found[0]
