"""The size of the network's input that the boxes of a data set need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ppdet.data.ops.decode import image_size
from ppdet.data_check.boxes import MANY_SMALL, SMALL
from ppdet.data_edit.parts import Part

Areas = Mapping[str, np.ndarray]
_FEWEST = 20  # boxes from which a class counts


def box_areas(parts: Sequence[Part]) -> dict[str, np.ndarray]:
    """For each class [N] float64: the areas of its boxes as shares of the area of their image."""
    areas: dict[str, list[float]] = {name: [] for name in parts[0].classes}
    for part in parts:
        for picture in part.pictures:
            height, width = picture.size or image_size(Path(picture.file)) or (0, 0)
            for each in picture.objects if height * width > 0 else ():
                if each.box is not None and not each.crowd and min(each.box[2:]) > 0:
                    areas[part.classes[each.class_index]].append(each.box[2] * each.box[3] / (height * width))
    return {name: np.array(values, np.float64) for name, values in areas.items()}


def small_shares(areas: Areas, size: int) -> dict[str, float]:
    """For each class with many boxes under 8 x 8 pixels of the input, their share; the largest comes first."""
    shares = {
        name: float((values * size**2 < SMALL**2).mean()) for name, values in areas.items() if len(values) >= _FEWEST
    }
    return dict(sorted(((n, s) for n, s in shares.items() if s > MANY_SMALL), key=lambda each: -each[1]))


def suggest_size(areas: Areas, sizes: Sequence[int]) -> int:
    """The first of the sizes at which no class has many small boxes; the last one if there is none."""
    return next((size for size in sizes if not small_shares(areas, size)), sizes[-1])


def reason(areas: Areas, size: int, suggested: int) -> str:
    """Says in one line how an input of `size` suits the boxes, and whether the `suggested` size suits them better."""
    small = small_shares(areas, size)
    listed = ", ".join(f"{share:.0%} of {name}" for name, share in list(small.items())[:3])
    if not small:
        fits = f"no class has over {MANY_SMALL:.0%} of its boxes under {SMALL} pixels there"
        return fits if size == suggested else f"{fits}, nor at {suggested}, which is faster"
    larger, tiles = f"{suggested} suits them better", "detection in tiles (--slice_infer of ppdet.deploy) finds more"
    return f"{listed} are under {SMALL} pixels there; {larger if suggested > size else tiles}"
