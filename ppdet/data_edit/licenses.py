"""COCO's licenses of several files in one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ppdet.data_edit.parts import Part, Picture

_NAME = "licenses"


def same_licenses(parts: Sequence[Part]) -> list[Part]:
    """The parts with one list of licenses. If the lists differ they are joined, and the images' numbers follow."""
    if all(part.others.get(_NAME) == parts[0].others.get(_NAME) for part in parts):
        return list(parts)
    licenses: list[dict[str, Any]] = []
    numbers = [_added(part.others.get(_NAME), licenses) for part in parts]
    entries = [entry | {"id": number} for number, entry in enumerate(licenses, start=1)]
    return [
        replace(
            part,
            pictures=[_renumbered(picture, new) for picture in part.pictures],
            others=dict(part.others) | {_NAME: entries},
        )
        for part, new in zip(parts, numbers, strict=True)
    ]


def _added(found: Any, licenses: list[dict[str, Any]]) -> dict[str, int]:
    """Adds the licenses that are not there yet; returns the new number by the old id."""
    new: dict[str, int] = {}
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict):
            text = {key: value for key, value in entry.items() if key != "id"}
            if text not in licenses:
                licenses.append(text)
            new[str(entry.get("id"))] = licenses.index(text) + 1
    return new


def _renumbered(picture: Picture, new: dict[str, int]) -> Picture:
    number = new.get(str(picture.entry.get("license")))
    return picture if number is None else replace(picture, entry=dict(picture.entry) | {"license": number})
