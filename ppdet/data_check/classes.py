"""Checks of the classes of one split: their names, and how often they occur."""

from __future__ import annotations

from collections import Counter

import numpy as np

from ppdet.data_check.finding import Finding, Severity, found
from ppdet.data_check.split import Split

_FEWEST = 10  # images of a class from which it is learned
_BALANCE = 100  # times as many boxes
_BACKGROUND = {"background", "__background__", "_background_", "bg"}


def class_names_empty(split: Split) -> Finding | None:
    """A name without a letter."""
    places = [f"id {category.id}" for category in split.categories if not category.name.strip()]
    return found("error", "classes have an empty name", places, "name them; training refuses the file")


def class_names_repeated(split: Split) -> Finding | None:
    """Two classes of exactly the same name."""
    counts = Counter(category.name for category in split.categories if category.name.strip())
    places = [name for name, count in counts.items() for _ in range(count - 1)]
    return found("warning", "classes have the name of another class", places, "give their annotations one category")


def class_names_alike(split: Split) -> Finding | None:
    """Names that differ only by case, blanks, - or _."""
    by_form: dict[str, list[str]] = {}
    for name in dict.fromkeys(category.name for category in split.categories if category.name.strip()):
        by_form.setdefault(comparable(name), []).append(name)
    places = [" / ".join(map(repr, names)) for names in by_form.values() if len(names) > 1]
    return found("warning", "class names differ only by case or blanks", places, "merge them, if they mean the same")


def class_names_with_blanks(split: Split) -> Finding | None:
    """Blanks at an end of a name."""
    places = [repr(c.name) for c in split.categories if c.name.strip() and c.name != c.name.strip()]
    return found("warning", "class names begin or end with blanks", places, "remove the blanks")


def classes_of_background(split: Split) -> Finding | None:
    """A class for what is no object."""
    places = [category.name for category in split.categories if category.name.strip().lower() in _BACKGROUND]
    return found("warning", "classes stand for the background", places, "remove them; the network needs no such class")


def classes_without_boxes(split: Split) -> Finding | None:
    """A class without a box: it is not learned, or not scored."""
    places = [split.categories[index].name for index in np.flatnonzero(_images_of(split) == 0).tolist()]
    advice = "add images of them, or remove the classes" if split.is_train else "they have no score; add images of them"
    severity: Severity = "warning" if split.is_train else "info"
    return found(severity, "classes have no box", places if len(split.boxes) else [], advice)


def classes_with_few_images(split: Split) -> Finding | None:
    """A class with boxes in less than 10 images of the training."""
    counts = _images_of(split)
    few = np.flatnonzero((counts > 0) & (counts < _FEWEST) & split.is_train).tolist()
    places = [f"{split.categories[index].name} ({counts[index]})" for index in few]
    return found("warning", f"classes are in fewer than {_FEWEST} images", places, "add images of them")


def classes_out_of_balance(split: Split) -> Finding | None:
    """The most frequent class has over 100 times as many boxes as another."""
    counts = np.bincount(split.boxes.class_index, minlength=len(split.categories))
    rare = np.flatnonzero((counts > 0) & (counts * _BALANCE < counts.max(initial=0)) & split.is_train).tolist()
    places = [f"{split.categories[index].name} ({counts[index]})" for index in rare]
    most = split.categories[int(counts.argmax())].name if places else ""
    what = f"classes have less than 1/{_BALANCE} of the boxes of {most} ({counts.max(initial=0)})"
    return found("warning", what, places, "add images of the rare classes")


def classes_of_the_config(split: Split) -> Finding | None:
    """num_classes of the config is not the number of classes."""
    expected, names = split.network.num_classes, [category.name for category in split.categories]
    wrong = names if expected is not None and expected != len(names) else []
    what = f"classes are in the annotations, but num_classes is {expected}"
    return found("error", what, wrong, f"set num_classes: {len(names)}; training refuses to start")


def _images_of(split: Split) -> np.ndarray:
    """[classes]: the number of images with a box of each class."""
    pairs = np.unique(np.column_stack([split.boxes.class_index, split.boxes.image]), axis=0)
    return np.bincount(pairs[:, 0], minlength=len(split.categories))


def comparable(name: str) -> str:
    """The name in small letters without blanks, - and _."""
    return "".join(each for each in name.casefold() if each not in " -_\t")
