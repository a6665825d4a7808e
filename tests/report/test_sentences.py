"""Each rule on evidence written by hand: what it says, and when it is silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ppdet.report.evidence import ClassScore, Evidence, Group, SecondClass, Share, Taken, Trained
from ppdet.report.sentences import Sentence, sentences, worst_group

NOTHING = Evidence("AP", 0.5, None, 1000, loss=0.4, settings={"nms_threshold": "0.6"})
SMALL = Group("class and size", "`screw` smaller than 32 pixels", Share(41, 60), is_small=True)
MISSES = replace(
    NOTHING,
    mistakes={"missed": 50, "background": 50},
    missed=Share(50, 500),
    groups=[
        SMALL,
        Group("class", "`nut`", Share(2, 100)),
        Group("crowd", "objects in images with 5 boxes or more", Share(9, 90)),
    ],
)
DOUBT = SecondClass("car", "truck", 0.22, 0.18, 0.03, 0.05, 40)


def only(evidence: Evidence, word: str) -> Sentence:
    """The only sentence with the word."""
    (found,) = [each for each in sentences(evidence) if word in each.text]
    return found


def test_nothing_to_say() -> None:
    assert sentences(NOTHING) == []


def test_the_group_that_is_missed_most() -> None:
    found = only(MISSES, "missed")
    assert found.text == (
        "41 % of all mistakes are missed `screw` smaller than 32 pixels: 68 % (41 of 60) are not found, "
        "of all others 2 %."
    )
    assert "tiles" in found.advice
    assert found.section == "misses"
    assert found.weight == pytest.approx(0.41 * 0.4)


def test_misses_without_a_group() -> None:
    found = only(replace(MISSES, groups=[]), "missed")
    assert found.text == "50 % of all mistakes are missed objects: 10 % (50 of 500) are not found."


@pytest.mark.parametrize(
    ("missed", "others"),
    [
        (Share(2, 3), Share(2, 300)),  # too few
        (Share(6, 50), Share(44, 450)),  # not more often than others
        (Share(10, 20), Share(190, 380)),  # as often as others
        (Share(10, 80), Share(20, 200)),  # more often, but that may be chance
        (Share(9, 12), Share(51, 388)),  # more often, but few of all misses
    ],
)
def test_groups_that_do_not_stand_out(missed: Share, others: Share) -> None:
    everything = Share(missed.part + others.part, missed.whole + others.whole)
    assert worst_group(replace(NOTHING, missed=everything, groups=[Group("class", "`a`", missed)])) is None


def test_of_several_groups_the_one_that_tells_missed_from_found_best() -> None:
    narrow, fitting = Group("class", "`a`", Share(13, 13)), Group("size", "small", Share(45, 50), is_small=True)
    wide = Group("crowd", "objects in crowds", Share(49, 250))
    evidence = replace(NOTHING, missed=Share(50, 500), groups=[narrow, fitting, wide])
    assert worst_group(evidence) == fitting
    assert worst_group(replace(evidence, groups=[narrow, wide])) == narrow
    assert worst_group(replace(evidence, groups=[wide])) == wide


def test_few_misses_are_not_worth_a_sentence() -> None:
    assert not [
        each
        for each in sentences(replace(MISSES, mistakes={"missed": 50, "background": 5000}))
        if "missed" in each.text
    ]
    assert not sentences(replace(MISSES, missed=Share(2, 500), mistakes={"missed": 2}, groups=[]))


def test_objects_that_training_hardly_had() -> None:
    rare = Trained("objects smaller than 60 pixels", Share(9, 1000), Share(150, 300))
    found = only(replace(NOTHING, trained=[rare]), "training set")
    assert found.text == (
        "The training set has hardly any objects smaller than 60 pixels: 0.9 % of its boxes, "
        "but 50 % (150 of 300) here."
    )
    assert found.section == "dataset"
    none = only(replace(NOTHING, trained=[rare._replace(training=Share(0, 1000))]), "training set")
    assert "none of its boxes" in none.text


@pytest.mark.parametrize(
    ("training", "here"),
    [(Share(300, 1000), Share(150, 300)), (Share(0, 10), Share(150, 300)), (Share(1, 1000), Share(1, 300))],
)
def test_what_training_had_or_may_have_had(training: Share, here: Share) -> None:
    assert not sentences(replace(NOTHING, trained=[Trained("`a`", training, here)]))


def scores(*values: tuple[str, float, float, int | None]) -> list[ClassScore]:
    return [ClassScore(*each) for each in values]


def test_classes_behind_the_others() -> None:
    classes = scores(("a", 0.6, 0.7, 900), ("b", 0.6, 0.7, 800), ("nut", 0.1, 0.3, 40), ("d", 0.5, 0.6, 700))
    found = only(replace(NOTHING, classes=classes), "beyond noise")
    assert found.text == "`nut` (10.0): AP below the mean of all classes, 45.0, beyond noise."
    assert found.advice == "The training set has 40 boxes of `nut`, of the middle class 750: add images of them."
    assert found.weight == pytest.approx(0.35 / 4)
    frequent = only(replace(NOTHING, classes=[each._replace(training_boxes=500) for each in classes]), "nut")
    unknown = only(replace(NOTHING, classes=[each._replace(training_boxes=None) for each in classes]), "nut")
    assert (
        frequent.advice == unknown.advice == "Sort the table by AP; look at the labels and pictures of these classes."
    )


def test_many_classes_behind_the_others() -> None:
    weak = scores(*((f"w{index}", 0.1 + index / 100, 0.2, None) for index in range(5)))
    found = only(replace(NOTHING, classes=weak + scores(*[("good", 0.9, 0.95, None)] * 5)), "w0")
    assert found.text.startswith("`w0` (10.0), `w1` (11.0), `w2` (12.0) and 2 others: AP below")


def test_classes_that_are_not_behind() -> None:
    wide = scores(("a", 0.6, 0.7, 9), ("b", 0.6, 0.7, 9), ("nut", 0.1, 0.5, 9))
    assert not sentences(replace(NOTHING, classes=wide))
    assert not sentences(replace(NOTHING, classes=scores(("a", 0.9, 0.95, 9), ("b", 0.1, 0.2, 9))))  # one of two


def test_a_class_that_is_taken_for_another() -> None:
    evidence = replace(NOTHING, mistakes={"classification": 60}, confusions=[Taken("car", "truck", Share(12, 52))])
    found = only(evidence, "is taken for")
    assert found.text == "`car` is taken for `truck` in 23 % (12 of 52), 20 % of all mistakes."
    assert "ppdet data suspects" in found.advice
    assert found.section == "confusion"
    for taken in (Share(2, 3), Share(3, 400)):  # chance; too seldom
        few = replace(NOTHING, confusions=[Taken("car", "truck", taken)])
        assert not sentences(few)


def test_labels_that_are_likely_wrong() -> None:
    found = only(replace(NOTHING, second=[DOUBT]), "labeled")
    assert "about 19 % of `car` in the training set may be labeled `truck`" in found.text
    for other in (
        DOUBT._replace(back_high=0.15, back=0.12),  # the classes are alike
        DOUBT._replace(low=0.1),  # the interval is wide
        DOUBT._replace(images=5),
    ):
        assert not sentences(replace(NOTHING, second=[other]))


@pytest.mark.parametrize(
    ("kind", "text", "advice"),
    [
        ("localization", "Boxes of the right class that fit badly", "tight"),
        ("duplicate", "Second boxes on objects", "nms.nms_threshold (now 0.6)"),
        ("background", "Boxes where nothing is labeled", "false positives"),
        ("classification", "Boxes of the wrong class", "data suspects"),
    ],
)
def test_kinds_of_wrong_boxes(kind: str, text: str, advice: str) -> None:
    many = replace(NOTHING, mistakes={kind: 30, "both": 70}, gains={kind: 0.031})
    found = only(many, text)
    assert "30 % of all mistakes. Without those of any score, AP50 would be 3.1 higher." in found.text
    assert advice in found.advice
    assert found.weight == pytest.approx(0.12)
    assert only(replace(NOTHING, gains={kind: 0.031}), text).weight == pytest.approx(0.031)  # below the threshold only
    assert not sentences(replace(NOTHING, mistakes={kind: 3, "both": 97}, gains={kind: 0.002}))


def test_the_size_that_causes_most_of_it() -> None:
    evidence = replace(NOTHING, gains={"background": 0.05}, gains_by_size={"background": (0.04, 0.005, 0.005)})
    assert only(evidence, "labeled").text.endswith("higher, mostly by small objects (below 32 pixels).")
    even = replace(evidence, gains_by_size={"background": (0.02, 0.02, 0.01)})
    assert only(even, "labeled").text.endswith("higher.")


def test_a_better_threshold() -> None:
    evidence = replace(NOTHING, missed=Share(0, 2000), best=(0.31, 0.72), default=(0.5, 0.61), right=Share(1, 2))
    found = only(evidence, "threshold")
    assert found.text == "The threshold 0.31 gives the best F1, 72 %; 0.5, which commands draw with, gives 61 %."
    assert "--draw_threshold 0.31" in found.advice
    assert not sentences(replace(evidence, default=(0.5, 0.705)))
    assert not sentences(replace(evidence, missed=Share(0, 20)))  # 11 points of 20 objects may be chance


def test_scores_that_are_no_probabilities() -> None:
    evidence = replace(NOTHING, best=(0.4, 0.7), mean_score=0.6, right=Share(900, 1000))
    assert only(evidence, "too low").text == (
        "Scores are too low: 60 % on average from the best threshold on, while 90 % of these detections are right."
    )
    assert "too high" in only(replace(evidence, mean_score=0.99, right=Share(700, 1000)), "Scores").text
    assert not sentences(replace(evidence, right=Share(9, 10)))
    assert not sentences(replace(evidence, mean_score=0.85))


def test_few_images() -> None:
    found = only(replace(NOTHING, interval=(0.469, 0.531), num_images=50), "known to")
    assert found.text == "AP 50.0 is known to ±3.1 only, because there are only 50 images."
    assert not sentences(replace(NOTHING, interval=(0.495, 0.505)))


def test_the_most_costly_comes_first() -> None:
    evidence = replace(MISSES, gains={"background": 0.3}, interval=(0.4, 0.6), second=[DOUBT])
    assert [round(each.weight, 3) for each in sentences(evidence)] == [0.3, 0.164, 0.076, 0.0]
