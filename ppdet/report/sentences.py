"""Turns the numbers into sentences: what holds the model back most, and what to do next.

Each rule looks at one kind of trouble and says nothing if its number may be noise. A sentence has a weight, the part of
AP that the trouble costs as far as that is known, and the sentences are ranked by it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ppdet.report.evidence import Evidence, Group, Share

_FEW = 3  # objects; what happened to fewer may be chance
_LEAST_PART = 0.05  # of all mistakes that a trouble must have
_LEAST_GAIN = 0.01  # of AP that one must cost otherwise
_LEAST_OF_MISSED = 0.25  # of all missed objects that a group must have to be named
_LEAST_TAKEN = 0.03  # of a class's objects, at the lower end of the interval
_LEAST_DOUBT = 0.1  # of the confidence, more than the other way round, at the lower end of the interval
_LEAST_IMAGES = 15  # for a claim about labels
_RARE = 0.25  # a kind of objects is rare in training if its share is less than this part of the share here
_LEAST_BEHIND = 0.05  # of AP, between the mean and the upper end of a weak class's interval
_WIDE = 0.01  # half of an interval of AP that is worth a sentence
_LEAST_F1 = 0.02  # that another threshold must bring
_OFF = 0.1  # between the mean score and the share that is right
_MOST = 3  # sentences of one rule


class Sentence(NamedTuple):
    """A finding.

    Attributes:
        weight: by which sentences are ranked, about the AP that this costs.
        text: what was found, with its numbers. Names of classes are in `grave accents`.
        advice: what to do.
        section: id of the section of the page that shows more; empty: none does.
    """

    weight: float
    text: str
    advice: str
    section: str


def sentences(evidence: Evidence) -> list[Sentence]:
    """The findings in the evidence, the most costly first."""
    found = [sentence for rule in _RULES for sentence in rule(evidence)]
    return sorted(found, key=lambda sentence: -sentence.weight)


def _missed(evidence: Evidence) -> Iterator[Sentence]:
    """Missed objects, and the group that they belong to above all."""
    group = worst_group(evidence)
    missed = evidence.missed if group is None else group.missed
    part = evidence.share_of_mistakes(missed.part)
    if missed.part < _FEW or part.value < _LEAST_PART:
        return
    name = group.name if group else "objects"
    text = f"{_percent(part.value)} of all mistakes are missed {name}: {_of(missed)} are not found"
    if group is None:
        advice = "More epochs or a larger model find more; the gallery of misses shows what they have in common."
        yield Sentence(part.value * evidence.loss, f"{text}.", advice, "misses")
    else:
        text += f", of all others {_percent(_rest(evidence, group).value)}."
        advice = _GROUP_ADVICE["small" if group.is_small else group.kind]
        yield Sentence(part.value * evidence.loss, text, advice, "misses")


def worst_group(evidence: Evidence) -> Group | None:
    """The group that tells missed objects from found ones best, by chi-squared; None if none stands out."""
    best, most, missed = None, 0.0, evidence.missed.value
    for group in evidence.groups:
        rest = _rest(evidence, group)
        enough = group.missed.part >= max(_FEW, _LEAST_OF_MISSED * evidence.missed.part)
        if enough and group.missed.exceeds(rest):
            spread = missed * (1 - missed) * (1 / group.missed.whole + 1 / rest.whole)
            if (found := (group.missed.value - rest.value) ** 2 / spread) > most:
                best, most = group, found
    return best


def _rest(evidence: Evidence, group: Group) -> Share:
    """The missed ones of all other objects."""
    return Share(evidence.missed.part - group.missed.part, evidence.missed.whole - group.missed.whole)


_GROUP_ADVICE = {
    "small": "Check that the training set has them, with labels. Then train and run at a larger input size, or cut the "
    "images into tiles.",
    "size": "Check that the training set has enough objects of this size, with labels.",
    "class": "Check the labels of this class in the training set, and add images of it.",
    "class and size": "Check that the training set has enough of them, with labels.",
    "crowd": "Add crowded images to the training set. For objects that overlap, raise nms.nms_threshold; cut large "
    "images into tiles.",
    "shape": "Add images with such shapes, and check that keep_ratio does not squeeze them.",
}


def _rare_in_training(evidence: Evidence) -> Iterator[Sentence]:
    """Kinds of objects that are evaluated but were hardly trained on."""
    found = []
    for kind in evidence.trained:
        if kind.training.interval[1] < _RARE * kind.evaluated.interval[0]:
            text = (
                f"The training set has hardly any {kind.name}: {_small_percent(kind.training)} of its boxes, but "
                f"{_of(kind.evaluated)} here."
            )
            advice = "Were they left without a label, or filtered out? Add such boxes to the training set."
            weight = kind.evaluated.value * evidence.loss * 0.9  # behind the sentence about misses that it explains
            found.append(Sentence(weight, text, advice, "dataset"))
    yield from sorted(found, key=lambda sentence: -sentence.weight)[:_MOST]


def _weak_classes(evidence: Evidence) -> Iterator[Sentence]:
    """Classes whose AP is below the mean of all, and how often training saw them."""
    if len(evidence.classes) < 3:
        return
    mean = sum(each.AP for each in evidence.classes) / len(evidence.classes)
    weak = sorted((each for each in evidence.classes if each.high < mean - _LEAST_BEHIND), key=lambda each: each.AP)
    if not weak:
        return
    boxes = [each.training_boxes for each in evidence.classes if each.training_boxes is not None]
    few = [each for each in weak if boxes and (each.training_boxes or 0) < _RARE * statistics.median(boxes)]
    names = ", ".join(f"`{each.name}` ({100 * each.AP:.1f})" for each in weak[:_MOST])
    more = f" and {len(weak) - _MOST} others" if len(weak) > _MOST else ""
    text = f"{names}{more}: AP below the mean of all classes, {100 * mean:.1f}, beyond noise."
    advice = "Sort the table by AP; look at the labels and pictures of these classes."
    if few:
        counts = ", ".join(f"{each.training_boxes or 'no'} boxes of `{each.name}`" for each in few[:_MOST])
        middle = f"of the middle class {statistics.median(boxes):.0f}"
        advice = f"The training set has {counts}, {middle}: add images of them."
    weight = sum(mean - each.AP for each in weak) / len(evidence.classes)
    yield Sentence(weight, text, advice, "classes")


_CHECK_LABELS = "Look at the labels of both classes in the training set with `ppdet data suspects`."


def _confused(evidence: Evidence) -> Iterator[Sentence]:
    """Pairs of classes of which one is taken for the other."""
    certain = [
        pair for pair in evidence.confusions if pair.taken.part >= _FEW and pair.taken.interval[0] > _LEAST_TAKEN
    ]
    for pair in sorted(certain, key=lambda pair: -pair.taken.part)[:_MOST]:
        part = evidence.share_of_mistakes(pair.taken.part)
        text = (
            f"`{pair.truth}` is taken for `{pair.found}` in {_of(pair.taken)}, {_percent(part.value)} of all mistakes."
        )
        advice = f"{_CHECK_LABELS} If they are right, add images that show the difference."
        yield Sentence(part.value * evidence.loss, text, advice, "confusion")


def _second_class(evidence: Evidence) -> Iterator[Sentence]:
    """A one-sided doubt between two classes, as wrong labels in the training set cause it."""
    found = []
    for pair in evidence.second:
        if pair.images >= _LEAST_IMAGES and pair.low - pair.back_high > _LEAST_DOUBT:
            rise = pair.share - pair.back
            text = (
                f"On `{pair.truth}` the model also sees `{pair.found}`, with {_percent(pair.share)} of the confidence; "
                f"the other way round it is {_percent(pair.back)}. Wrong labels cause such a one-sided doubt: about "
                f"{_percent(rise)} of `{pair.truth}` in the training set may be labeled `{pair.found}`."
            )
            found.append(Sentence(rise * max(evidence.loss, 0.2), text, _CHECK_LABELS, "confusion"))
    yield from sorted(found, key=lambda sentence: -sentence.weight)[:_MOST]


def _wrong_boxes(evidence: Evidence) -> Iterator[Sentence]:
    """Kinds of wrong detections."""
    for kind, (what, advice, section) in _KINDS.items():
        part = evidence.share_of_mistakes(evidence.mistakes.get(kind, 0))
        gain = evidence.gains.get(kind, 0.0)
        if (part.part < _FEW or part.value < _LEAST_PART) and gain < max(
            _LEAST_GAIN, _LEAST_PART * sum(evidence.gains.values())
        ):
            continue
        text = (
            f"{what}: {_percent(part.value)} of all mistakes. Without those of any score, AP50 would be "
            f"{100 * gain:.1f} higher{_mostly(evidence, kind)}."
        )
        weight = max(part.value * evidence.loss, gain)
        yield Sentence(weight, text, advice.format(**evidence.settings), section)


_KINDS = {
    "localization": (
        "Boxes of the right class that fit badly (IoU 0.1 to 0.5)",
        "Check that the labels are tight and drawn alike; a larger input size and more epochs give tighter boxes.",
        "errors",
    ),
    "duplicate": (
        "Second boxes on objects that are found already",
        "Lower nms.nms_threshold (now {nms_threshold}).",
        "errors",
    ),
    "background": (
        "Boxes where nothing is labeled",
        "Look at the most confident false positives: objects that nobody labeled are common among them. Otherwise add "
        "images without objects to the training set (allow_empty: true).",
        "false-positives",
    ),
    "classification": (
        "Boxes of the wrong class on an object",
        "The confusion matrix shows the classes; look at their labels with `ppdet data suspects`.",
        "confusion",
    ),
}
_SIZES = ("small objects (below 32 pixels)", "objects of 32 to 96 pixels", "objects above 96 pixels")


def _mostly(evidence: Evidence, kind: str) -> str:
    """The size that has most of a kind's cost, as a part of a sentence; empty if none has."""
    gains = evidence.gains_by_size.get(kind, (0.0, 0.0, 0.0))
    largest = max(gains)
    return f", mostly by {_SIZES[gains.index(largest)]}" if largest > 0 and largest >= 0.75 * sum(gains) else ""


def _threshold(evidence: Evidence) -> Iterator[Sentence]:
    """A threshold that is better than the one that commands use."""
    if evidence.best is None or evidence.default is None:
        return
    (best, best_f1), (default, default_f1) = evidence.best, evidence.default
    noise = (1 / max(evidence.missed.whole, 1)) ** 0.5
    if best_f1 - default_f1 < max(_LEAST_F1, noise):
        return
    text = (
        f"The threshold {best:.2f} gives the best F1, {_percent(best_f1)}; {default:g}, which commands draw with, "
        f"gives {_percent(default_f1)}."
    )
    advice = f"Use --draw_threshold {best:.2f}; `ppdet thresholds` chooses one for each class, for exports."
    yield Sentence(0.0, text, advice, "curves-section")


def _calibration(evidence: Evidence) -> Iterator[Sentence]:
    """Scores that are no probabilities."""
    low, high = evidence.right.interval
    if evidence.best is None or low - _OFF <= evidence.mean_score <= high + _OFF:
        return
    text = (
        f"Scores are too {'low' if evidence.mean_score < low else 'high'}: {_percent(evidence.mean_score)} on average "
        f"from the best threshold on, while {_percent(evidence.right.value)} of these detections are right."
    )
    yield Sentence(0.0, text, "Do not take a score for a probability; the plot has the real shares.", "calibration")


def _noise(evidence: Evidence) -> Iterator[Sentence]:
    """An interval that is so wide that small changes mean nothing."""
    if evidence.interval is None:
        return
    half = (evidence.interval[1] - evidence.interval[0]) / 2
    if half < _WIDE:
        return
    text = (
        f"{evidence.score_name} {100 * evidence.score:.1f} is known to ±{100 * half:.1f} only, because there are only "
        f"{evidence.num_images} images."
    )
    yield Sentence(0.0, text, "Take no smaller change for progress; label more images for evaluation.", "")


_RULES: tuple[Callable[[Evidence], Iterator[Sentence]], ...] = (
    _missed,
    _rare_in_training,
    _weak_classes,
    _confused,
    _second_class,
    _wrong_boxes,
    _threshold,
    _calibration,
    _noise,
)


def _of(share: Share) -> str:
    return f"{_percent(share.value)} ({share.part} of {share.whole})"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _small_percent(share: Share) -> str:
    return f"{100 * share.value:.1f} %" if share.part else "none"
