from __future__ import annotations

import numpy as np
import pytest

from ppdet.metrics.analysis.matching import match
from ppdet.metrics.analysis.reliability import reliability
from tests.support.judged import Judged, random_judged

BOX, NOWHERE = [0, 0, 100, 100], [500, 500, 600, 600]


def test_hand_made_curve() -> None:
    """Scores 0.9 (right) and 0.8 (wrong) in one bin, 0.3 (wrong) in another; a detection on a crowd is left out."""
    objects = [[[0, *BOX, 0], [0, 700, 0, 800, 100, 1]]]
    detections = [[[0, 0.9, *BOX], [0, 0.8, *NOWHERE], [0, 0.3, *NOWHERE], [0, 0.7, 710, 10, 720, 20]]]
    judged = Judged(objects, detections)
    found = reliability(judged.case, match(judged.case, 0.5), bins=4)
    assert found.count.tolist() == [0, 1, 0, 2]
    assert found.score.tolist() == pytest.approx([np.nan, 0.3, np.nan, 0.85], nan_ok=True)
    assert found.right.tolist() == pytest.approx([np.nan, 0, np.nan, 0.5], nan_ok=True)
    assert found.error == pytest.approx((0.3 + 2 * 0.35) / 3)
    assert found.worst == pytest.approx(0.35)
    assert reliability(judged.case, match(judged.case, 0.5), lowest=0.5).error == pytest.approx((0.1 + 0.8) / 2)


def test_bounds_belong_to_the_lower_bin() -> None:
    judged = Judged([[[0, *BOX, 0]]], [[[0, score, *BOX] for score in (0.0, 0.25, 0.5, 1.0)]])
    assert reliability(judged.case, match(judged.case, 0.5), bins=4).count.tolist() == [2, 1, 0, 1]


def test_scores_that_are_probabilities_have_no_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(20000)
    right = rng.random(20000) < scores
    detections = [[[0, score, *(BOX if hit else NOWHERE)]] for score, hit in zip(scores, right, strict=True)]
    judged = Judged([[[0, *BOX, 0]]] * 20000, detections)
    assert reliability(judged.case, match(judged.case, 0.5)).error < 0.01


def test_nothing_counts() -> None:
    judged = Judged([[]], [[]])
    found = reliability(judged.case, match(judged.case, 0.5))
    assert np.isnan(found.error)
    assert found.count.sum() == 0
    assert reliability(random_judged(0).case, match(random_judged(0).case, 0.5)).error > 0
