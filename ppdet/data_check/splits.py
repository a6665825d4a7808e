"""Checks of splits against each other, and of their number of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppdet.data_check.finding import Finding, found
from ppdet.data_check.split import Split

_FEWEST = 20  # images


def split_without_boxes(split: Split) -> Finding | None:
    """Nothing is annotated."""
    places = [] if len(split.boxes) else [str(split.source)]
    return found("error", "the annotation file has no box", places, "annotate the images; training refuses the file")


def split_small(split: Split) -> Finding | None:
    """Too few images to learn from, or to score."""
    places = [image.name for image in split.images] if 0 < len(split.images) < _FEWEST else []
    advice = "add images" if split.is_train else "add images: with so few, the score changes by chance"
    return found("warning", f"the split has fewer than {_FEWEST} images", places, advice)


def classes_differ(splits: Sequence[Split]) -> Finding | None:
    """A class is not in the list of each split."""
    lists = [set(_names(split)) for split in splits]
    everywhere = {name for name in lists[0] if all(name in names for names in lists)}
    places = sorted({name for names in lists for name in names} - everywhere)
    return found("error", "classes are not listed in each split", places, "give all splits the same list of classes")


def classes_in_another_order(splits: Sequence[Split]) -> Finding | None:
    """The same classes, in another order than in the first split: their positions are what is learned."""
    first = _names(splits[0])
    others = [split for split in splits if sorted(_names(split)) == sorted(first) and _names(split) != first]
    places = [name for split in others for name, other in zip(_names(split), first, strict=True) if name != other]
    return found("error", "classes have another position in the list", places, "list them in one order in all splits")


def category_ids_differ(splits: Sequence[Split]) -> Finding | None:
    """A class has another id than in the first split. Names are compared, so only other tools mind."""
    others = [split for split in splits if _names(split) == _names(splits[0])]
    pairs = (pair for split in others for pair in zip(split.categories, splits[0].categories, strict=True))
    places = [category.name for category, first in pairs if category.id != first.id]
    return found("info", "classes have another id than in the first split", places, "nothing to do here")


def classes_never_trained(splits: Sequence[Split]) -> Finding | None:
    """A class has boxes in a split that is scored and none in the one that is learned from."""
    trained = {name for split in splits if split.is_train for name in _annotated(split)}
    scored = {name for split in splits if not split.is_train for name in _annotated(split)}
    places = sorted(scored - trained) if trained else []
    return found(
        "warning", "classes have boxes, but none in the training", places, "move images of them to the training"
    )


def _names(split: Split) -> list[str]:
    return [category.name for category in split.categories]


def _annotated(split: Split) -> list[str]:
    return [split.categories[index].name for index in np.unique(split.boxes.class_index)]
