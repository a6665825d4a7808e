"""The numbers that the report's sentences are made of. All are plain, so that tests can write them by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_Z = 1.96  # of a 95 % interval


class Share(NamedTuple):
    """`part` of `whole` objects."""

    part: int
    whole: int

    @property
    def value(self) -> float:
        """The share in 0..1; 0 of nothing."""
        return self.part / self.whole if self.whole else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share behind the sample; 0..1 for an empty one."""
        if not self.whole:
            return 0.0, 1.0
        weight = _Z**2 / self.whole
        center = (self.value + weight / 2) / (1 + weight)
        half = _Z / (1 + weight) * (self.value * (1 - self.value) / self.whole + weight / 4 / self.whole) ** 0.5
        return max(0.0, center - half), min(1.0, center + half)

    def exceeds(self, other: Share) -> bool:
        """Whether the share is larger than the other one beyond noise: the intervals do not meet."""
        return self.interval[0] > other.interval[1]


class Group(NamedTuple):
    """Objects that have something in common, and how many of them are missed.

    Attributes:
        kind: "class", "size", "class and size", "crowd" or "shape".
        name: what a sentence calls them, as in "objects smaller than 64 pixels".
        missed: of the group's objects.
        is_small: whether these are the smallest objects.
    """

    kind: str
    name: str
    missed: Share
    is_small: bool = False


class Taken(NamedTuple):
    """Objects of the class `truth` for which a detection of the class `found` was taken."""

    truth: str
    found: str
    taken: Share


class SecondClass(NamedTuple):
    """The part of the confidence that another class gets on the objects of a class that the model is sure to see.

    An object's share is the other class's best score on it, over the sum of that and the right class's best score. The
    middle object's share is not moved by a few objects that are hard to tell apart; wrong labels move that of all.

    Attributes:
        truth: the class of the objects.
        found: the other class.
        share: the middle object's share, in 0..1.
        low: the lower bound of its 95 % interval.
        back: the middle share the other way round.
        back_high: the upper bound of that.
        images: in which such objects are.
    """

    truth: str
    found: str
    share: float
    low: float
    back: float
    back_high: float
    images: int


class ClassScore(NamedTuple):
    """The AP of a class.

    Attributes:
        name: of the class.
        AP: its value.
        high: the upper bound of its 95 % interval.
        training_boxes: in the training set; None if they are not known.
    """

    name: str
    AP: float
    high: float
    training_boxes: int | None


class Trained(NamedTuple):
    """The frequency of a kind of objects in the training set, and in the images that are evaluated."""

    name: str
    training: Share
    evaluated: Share


@dataclass(frozen=True)
class Evidence:
    """The facts about an evaluation. Scores and gains are in 0..1.

    Mistakes are counted at the threshold with the largest F1: wrong detections and missed objects; an object that was
    taken for another class is one mistake.

    Attributes:
        score_name: of the main score, as "AP".
        score: its value.
        interval: its 95 % interval; None if it is not known.
        num_images: that were evaluated.
        loss: what is missing to an AP of 1 at an IoU of 0.5.
        mistakes: their number by kind of error: "missed", "classification", "localization", "both", "duplicate" and
            "background".
        gains: the AP at an IoU of 0.5 that each kind costs, over all thresholds.
        gains_by_size: the same for small, medium and large boxes.
        classes: those with objects and an interval.
        missed: of all objects.
        groups: objects by class, size and so on.
        confusions: pairs of classes.
        second: pairs of classes, with weak detections counted as well.
        trained: kinds of objects in the training set and here; empty if that set is not known.
        best: the threshold with the largest F1, and that F1; None if nothing is right.
        default: the threshold that commands use, and its F1; None if nothing is right.
        right: of the detections at the best threshold.
        mean_score: of these detections.
        settings: values of the run that advice names, as "nms_threshold".
    """

    score_name: str
    score: float
    interval: tuple[float, float] | None
    num_images: int
    loss: float = 0.0
    mistakes: Mapping[str, int] = field(default_factory=dict)
    gains: Mapping[str, float] = field(default_factory=dict)
    gains_by_size: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    classes: Sequence[ClassScore] = ()
    missed: Share = Share(0, 0)
    groups: Sequence[Group] = ()
    confusions: Sequence[Taken] = ()
    second: Sequence[SecondClass] = ()
    trained: Sequence[Trained] = ()
    best: tuple[float, float] | None = None
    default: tuple[float, float] | None = None
    right: Share = Share(0, 0)
    mean_score: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)

    def share_of_mistakes(self, count: int) -> Share:
        """`count` of all mistakes."""
        return Share(count, sum(self.mistakes.values()))
