"""Chooses some of the images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data_edit.parts import Part
from ppdet.data_edit.remap import find_class
from ppdet.data_edit.split import count_labels
from ppdet.data_edit.stratify import stratify
from ppdet.utils.streams import Stream, generator


def with_classes(parts: Sequence[Part], names: Sequence[str]) -> list[Part]:
    """The images that have a box of one of the classes, with all their objects."""
    known = list(dict.fromkeys(name for part in parts for name in part.classes))
    names = [find_class(name, known) for name in names]
    chosen = []
    for part in parts:
        wanted = {index for index, name in enumerate(part.classes) if name in names}
        found = [each for each in part.pictures if wanted & {box.class_index for box in each.objects}]
        if not found:
            raise UserError(
                f"--classes: no image of {part.name} has {' or '.join(names)}; name other classes or splits"
            )
        chosen.append(part.with_pictures(found))
    return chosen


def some(part: Part, number: int, seed: int) -> Part:
    """A number of images with the shares of classes of the whole part, in its order; all if there are no more."""
    pictures = part.pictures
    if number >= len(pictures):
        return part
    rng, share = generator(Stream.SPLIT, seed), number / len(pictures)
    counts = count_labels(pictures, len(part.categories))
    chosen = stratify(counts, [share, 1 - share], rng) == 0
    surplus = int(chosen.sum()) - number  # the shares of classes come before the number of images
    changed = rng.permutation(np.flatnonzero(chosen if surplus > 0 else ~chosen))[: abs(surplus)]
    chosen[changed] = surplus < 0
    return part.with_pictures(pictures[index] for index in np.flatnonzero(chosen).tolist())
