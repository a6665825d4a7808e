"""Splits a data set into training, validation and test."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data_edit.align import joined, listed_again, same_classes
from ppdet.data_edit.groups import find_groups
from ppdet.data_edit.parts import Part, Picture
from ppdet.data_edit.stratify import stratify
from ppdet.utils.streams import Stream, generator


def split_part(
    parts: Sequence[Part], shares: Mapping[str, float], by_group: re.Pattern[str] | None, seed: int
) -> tuple[list[Part], list[str]]:
    """Divides the images of all parts again; returns the new parts and remarks.

    Each new part has its share of the boxes of each class, of the images without boxes, and of the images.

    Args:
        parts: the splits that there are, which are joined.
        shares: the share of each new part by its name; the sum is 1.
        by_group: see `find_groups`.
        seed: of the choice between equal images.
    """
    whole = joined("all", same_classes(parts))
    groups = find_groups(whole.pictures, by_group)
    counts = count_labels(whole.pictures, len(whole.categories))
    of_groups = np.zeros((groups.max() + 1, counts.shape[1]), np.int64)
    np.add.at(of_groups, groups, counts)
    chosen = stratify(of_groups, list(shares.values()), generator(Stream.SPLIT, seed))[groups]
    new = []
    for number, name in enumerate(shares):
        pictures = [whole.pictures[index] for index in np.flatnonzero(chosen == number).tolist()]
        without_box = 0 if number else whole.without_box
        new.append(Part(name, whole.categories, pictures, whole.others, without_box))
        if not pictures:
            raise UserError(
                f"--{name}: {shares[name]:g} of {len(groups)} images that form {len(of_groups)} groups is none; give a "
                "larger share, or more images"
            )
    return new, listed_again(parts, new) + _remarks(groups, new)


def count_labels(pictures: Sequence[Picture], num_classes: int) -> np.ndarray:
    """[N, classes + 2] int64: the boxes of each class, 1 if there is none, and 1 for the image itself."""
    counts = np.zeros((len(pictures), num_classes + 2), np.int64)
    for row, picture in zip(counts, pictures, strict=True):
        for each in picture.objects:
            row[each.class_index] += not each.crowd and each.box is not None
    counts[:, -2] = ~counts.any(1)
    counts[:, -1] = 1
    return counts


def _remarks(groups: np.ndarray, parts: Sequence[Part]) -> list[str]:
    remarks = []
    sizes = np.bincount(groups)
    if sizes.max() > 1:
        remarks.append(
            f"{sizes[sizes > 1].sum()} images are copies, look alike or share a group: {(sizes > 1).sum()} groups stay "
            f"together, the largest of {sizes.max()} images"
        )
    totals = Counter[str]()
    for part in parts:
        totals.update(boxes_by_class(part))
    for part in parts:
        found = boxes_by_class(part)
        missing = [f"{name} ({total} in all)" for name, total in totals.items() if total and not found[name]]
        if missing:
            remarks.append(f"{part.name} has no box of {len(missing)} classes: {', '.join(missing[:5])}")
    return remarks


def boxes_by_class(part: Part) -> Counter[str]:
    """The number of boxes of each class, also of those without any."""
    totals = Counter({name: 0 for name in part.classes})
    for name, count in zip(part.classes, count_labels(part.pictures, len(part.classes)).sum(0).tolist(), strict=False):
        totals[name] += count
    return totals
