"""Two sets of detections on the same images, compared: the numbers, the classes, and the images they differ on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppdet.metrics.analysis.bootstrap import Difference, compare, compare_classes
from ppdet.metrics.analysis.error_kinds import KINDS
from ppdet.metrics.results import ImageDetections
from ppdet.report.galleries import Scene, mistakes, whole_picture
from ppdet.report.numbers import known
from ppdet.report.pictures import Picture

IMAGES = 12  # that are shown


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two.

    Attributes:
        name: what the page calls it, as the file of the weights.
        detections: of all images.
    """

    name: str
    detections: Sequence[ImageDetections]


def comparison_numbers(a: Scene, b: Scene, names: tuple[str, str]) -> dict[str, Any]:
    """The content of compare.json: scores in 0..1, null for what is not known; differences are A - B, and
    errors the AP50 that fixing a kind of them would bring.

    Args:
        a: the first one.
        b: the other one.
        names: of both.
    """
    one, other = a.analysis, b.analysis
    differences = compare(one.resampled, other.resampled)
    objects = a.case.truth.per_class().tolist()
    classes = zip(a.names, objects, one.class_ap, other.class_ap, strict=True)
    of_classes = compare_classes(one.resampled, other.resampled)
    return {
        "a": names[0],
        "b": names[1],
        "images": len(a.records),
        "verdict": verdict(next(iter(differences)), next(iter(differences.values())), names, len(a.records)),
        "scores": [
            {"name": name, **_line(one.scores[name], other.scores[name], difference)}
            for name, difference in differences.items()
        ],
        "classes": [
            {"name": name, "objects": count, **_line(float(ap), float(other_ap), difference)}
            for (name, count, ap, other_ap), difference in zip(classes, of_classes, strict=True)
        ],
        "errors": [
            {"kind": kind, "a": known(one.errors.gain[row]), "b": known(other.errors.gain[row])}
            for row, kind in enumerate(KINDS)
        ],
        "thresholds": [known(each.confusion.threshold) for each in (a, b)],
    }


def _line(a: float, b: float, difference: Difference) -> dict[str, Any]:
    """Both values and A - B with its 95 % interval."""
    interval = [difference.low, difference.high] if np.isfinite(difference.low) else None
    return {
        "a": known(a),
        "b": known(b),
        "difference": round(difference.value, 5) if np.isfinite(difference.value) else None,
        "interval": interval and [round(bound, 5) for bound in interval],
        "clear": difference.is_clear,
    }


def verdict(score: str, difference: Difference, names: tuple[str, str], images: int) -> str:
    """The better one, in one sentence.

    Args:
        score: the name of the number.
        difference: A - B in it.
        names: of both.
        images: how many there are.
    """
    value = 100 * difference.value
    if not np.isfinite(difference.low):
        return f"The {images:,} images cannot tell which one is better in {score}."
    noise = 100 * max(difference.high - difference.value, difference.value - difference.low)
    better, worse = names if value > 0 else names[::-1]
    if difference.is_clear:
        return f"`{better}` is better than `{worse}` by {abs(value):.1f} ± {noise:.1f} {score}."
    return f"No clear difference: {value:+.1f} ± {noise:.1f} {score} is noise with {images:,} images."


def differing_images(a: Scene, b: Scene) -> list[tuple[Picture, Picture]]:
    """The images on which the two differ most, each as drawn by both.

    The difference is the number of objects that only one has found, and of wrong boxes that one has more of.
    """
    count, (wrong_a, missed_a), (wrong_b, missed_b) = len(a.records), mistakes(a), mistakes(b)
    only_one = a.case.truth.image[_right(a) != _right(b)]
    difference = np.bincount(only_one, minlength=count) + np.abs(wrong_a - wrong_b)
    order = np.argsort(-difference, kind="stable")[:IMAGES]
    return [
        (
            whole_picture(a, image, f"A: {wrong_a[image]} wrong, {missed_a[image]} missed"),
            whole_picture(b, image, f"B: {wrong_b[image]} wrong, {missed_b[image]} missed"),
        )
        for image in order.tolist()
        if difference[image]
    ]


def _right(scene: Scene) -> np.ndarray:
    """[N] bool: the objects that were found, with their class."""
    right = np.zeros(len(scene.case.truth), bool)
    both = (scene.pairs >= 0).all(1) & (scene.kinds[:, 0] == scene.kinds[:, 1])
    right[scene.pairs[both, 0]] = True
    return right
