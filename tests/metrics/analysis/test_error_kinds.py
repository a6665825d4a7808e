from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ppdet.metrics.analysis.error_kinds import KINDS, find_errors
from ppdet.metrics.analysis.matching import match
from tests.support.judged import Judged, random_judged

GOLDEN = Path(__file__).resolve().parents[2] / "golden/tide.npz"
BOX, LOOSE, NOWHERE = [0, 0, 100, 100], [0, 0, 100, 30], [500, 500, 600, 600]


def errors(judged: Judged):
    return find_errors(judged.case, match(judged.case, 0.5))


def kinds(judged: Judged) -> list[str]:
    return [KINDS[index] if index >= 0 else "" for index in errors(judged).kind]


def test_numbers_of_tidecv() -> None:
    """tidecv reads curves at the recalls 0.01 * i, rounded otherwise than COCO's; scores differ, as it orders ties."""
    golden = np.load(GOLDEN)
    parts = [
        [golden[name][golden[name][:, 0] == image, 1:] for image in range(40)] for name in ("objects", "detections")
    ]
    case = Judged(*parts, num_classes=4).case
    case = dataclasses.replace(case, rule=dataclasses.replace(case.rule, recalls=tuple(i / 100 for i in range(101))))
    found = find_errors(case, match(case, 0.5))
    assert float(found.AP) == pytest.approx(float(golden["AP"]), abs=1e-12)
    assert found.gain.tolist() == pytest.approx(golden["gain"].tolist(), abs=1e-12)
    assert (golden["gain"] > 0.005).all()
    assert found.false_positives == pytest.approx(golden["false_positives"], abs=1e-12)
    assert found.false_negatives == pytest.approx(golden["false_negatives"], abs=1e-12)
    assert found.counts.sum() == golden["counts"].sum() - golden["uncounted"]  # it counts detections on crowds
    assert found.counts[5].sum() == golden["counts"][5]


def test_each_kind() -> None:
    objects = [[[0, *BOX, 0], [1, 200, 0, 300, 100, 0], [1, 800, 0, 900, 100, 0]]]
    detections = [
        [0, 0.9, *BOX],  # right
        [0, 0.8, *BOX],  # again
        [0, 0.7, *LOOSE],  # IoU 0.3
        [0, 0.6, 200, 0, 300, 100],  # the class of another object
        [0, 0.5, 200, 0, 300, 30],  # neither class nor box
        [1, 0.4, *NOWHERE],
    ]
    judged = Judged(objects, [detections])
    assert kinds(judged) == ["", "duplicate", "localization", "classification", "both", "background"]
    found = errors(judged)
    assert found.target.tolist() == [-1, -1, 0, 1, -1, -1]
    assert found.unfound.tolist() == [False, True, True]
    assert found.missed.tolist() == [False, False, True]  # the other would be found with the right class
    assert found.counts.tolist() == [[1, 0], [1, 0], [1, 0], [1, 0], [0, 1], [0, 1]]


def test_gain_by_hand() -> None:
    """One class: right, then one of two objects with a loose box (0.8), and one object missed."""
    objects = [[[0, *BOX, 0], [0, 200, 0, 300, 100, 0], [0, *NOWHERE, 0], [0, 900, 0, 1000, 100, 0]]]
    judged = Judged(objects, [[[0, 0.9, *BOX], [0, 0.8, 200, 0, 300, 30], [0, 0.7, 900, 0, 1000, 100]]], 1)
    found = errors(judged)
    quarter, half = 26 / 101, 25 / 101  # recalls up to 0.25; more up to 0.5
    np.testing.assert_allclose(found.AP, quarter + half * 2 / 3)
    assert dict(zip(KINDS, found.gain, strict=True)) == pytest.approx(
        {
            "classification": 0,
            "localization": 76 / 101 - found.AP,
            "both": 0,
            "duplicate": 0,
            "background": 0,
            "missed": 34 / 101 + 33 / 101 * 2 / 3 - found.AP,  # of three objects
        }
    )
    assert found.false_positives == pytest.approx(51 / 101 - found.AP)
    assert found.false_negatives == pytest.approx(51 / 101 + 50 / 101 * 2 / 3 - found.AP)
    assert found.gain_by_class[:, 0].tolist() == pytest.approx(found.gain.tolist())
    assert found.gain_by_size[1, :, 0].tolist() == pytest.approx([0, 0, found.gain[1]])  # 100 x 100: large


def test_only_the_most_confident_of_several_is_repaired() -> None:
    judged = Judged([[[0, *BOX, 0]]], [[[0, 0.9, *LOOSE], [0, 0.8, 0, 0, 100, 40]]], 1)
    assert errors(judged).gain[1] == pytest.approx(1)
    judged = Judged([[[0, *BOX, 0]]], [[[0, 0.9, *LOOSE], [0, 0.8, *BOX]]], 1)
    assert errors(judged).gain[1] == pytest.approx(0.5)  # the object is found: the error is removed


def test_a_class_of_which_nothing_is_found() -> None:
    found = errors(Judged([[[0, *BOX, 0], [1, *NOWHERE, 0]]], [[[0, 0.9, *BOX]]], 3))
    assert found.gain[5] == pytest.approx(0.5)
    assert found.gain_by_class[5, :2].tolist() == pytest.approx([0, 1])
    assert np.isnan(found.gain_by_class[:, 2]).all()


def test_a_class_of_which_only_wrong_detections_remain() -> None:
    found = errors(Judged([[[0, *BOX, 0], [1, *BOX, 0]]], [[[0, 0.9, *BOX], [1, 0.9, *NOWHERE]]]))
    assert (found.AP, found.gain[5], found.gain_by_class[5].tolist()) == (pytest.approx(0.5), 0, [0, 0])


def test_detections_on_crowds_have_no_kind() -> None:
    judged = Judged([[[0, *BOX, 1], [0, *NOWHERE, 0]]], [[[0, 0.9, 10, 10, 20, 20], [1, 0.9, 10, 10, 20, 20]]])
    assert kinds(judged) == ["", "background"]


def test_sizes_add_up() -> None:
    found = errors(random_judged(5, images=40))
    assert found.gain_by_size.shape == (6, 3, 4)
    assert (found.gain_by_size[5].sum(0) > 0).all()


def test_nothing_found_or_nothing_to_find() -> None:
    assert errors(Judged([[[0, *BOX, 0]]], [[]])).missed.tolist() == [True]
    found = errors(Judged([[]], [[[0, 0.9, *BOX]]]))
    assert (found.AP, found.counts[4].tolist()) == (-1, [1, 0])
    assert errors(Judged([], [])).counts.sum() == 0
