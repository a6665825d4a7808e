"""What a Part holds, in a form that compares across formats."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ppdet.data_edit.parts import Object, Part, Picture


def content(part: Part, decimals: int = 5) -> dict[str, list[Any]]:
    """(class, box) of each object, by the file of its image."""
    return {
        os.path.basename(picture.real_file): [
            (part.classes[each.class_index], np.round(each.box or [], decimals).tolist()) for each in picture.objects
        ]
        for picture in part.pictures
    }


def made_part(objects: Sequence[Sequence[tuple[str, Sequence[float]]]], name: str = "all", prefix: str = "") -> Part:
    """A part of images that are no files, with the (class, box) of each object."""
    names = sorted({kind for each in objects for kind, _ in each})
    pictures = [
        Picture(
            f"/none/{prefix}{number}.png",
            f"{prefix}{number}.png",
            (100, 100),
            {},
            [Object(names.index(kind), box, False, False, {"bbox": list(box)}) for kind, box in each],
        )
        for number, each in enumerate(objects)
    ]
    return Part(name, [{"name": each} for each in names], pictures)
