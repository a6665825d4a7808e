"""AP and AR equal the official evaluation, also if images are counted several times."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ppdet.metrics.analysis.average_precision import build_scorer, class_ap
from tests.support.judged import Judged, random_judged


def scores(judged: Judged, weights: np.ndarray | None = None) -> dict[str, float]:
    scorer = build_scorer(judged.case)
    return scorer.scores(scorer.detail(weights))


@pytest.mark.parametrize("seed", range(30))
def test_coco_numbers(seed: int) -> None:
    judged = random_judged(seed, images=1 + 3 * (seed % 10))
    metric = judged.metric
    assert scores(judged) == pytest.approx(metric.compute(), abs=1e-12)
    scorer = build_scorer(judged.case)
    expected = [row.AP for row in metric.classwise()]
    np.testing.assert_allclose(class_ap(scorer.detail()), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("map_type", ["11point", "integral"])
@pytest.mark.parametrize("seed", range(10))
def test_voc_numbers(seed: int, map_type: str) -> None:
    judged = random_judged(seed, kind="VOC", map_type=map_type)
    assert scores(judged)["mAP"] == pytest.approx(judged.metric.compute()["mAP"], abs=1e-12)


@pytest.mark.parametrize(("kind", "name", "AP"), [("COCO", "AP", 1.0), ("VOC", "mAP", 0.5)])
def test_inverted_boxes_are_wrong_for_voc_and_ignored_by_coco(kind: str, name: str, AP: float) -> None:
    box, inverted = [20, 20, 80, 80], [30, 60, 70, 50]
    judged = Judged([[[0, *box, 0]]], [[[0, 0.9, *inverted], [0, 0.8, *box]]], 1, kind=kind)
    assert scores(judged)[name] == pytest.approx(AP)
    assert judged.metric.compute()[name] == pytest.approx(AP)


def test_outlines_decide_on_the_size_and_only_100_detections_count() -> None:
    box = [0, 0, 50, 50]
    wrong = [[0, 0.9, 60 + i, 60, 90 + i, 90] for i in range(100)]
    judged = Judged([[[0, *box, 0]], [[0, *box, 0]]], [[*wrong, [0, 0.1, *box]], [[0, 0.8, *box]]], 1, areas=[2e3, 9e2])
    expected = judged.metric.compute()
    assert scores(judged) == pytest.approx(expected, abs=1e-12)
    assert (expected["APs"], expected["APm"]) == (pytest.approx(1 / 101), 0)


def test_bounds_of_areas_and_numbers_of_detections() -> None:
    """An area on a bound belongs to both ranges; the right detection is the 13th of its image."""
    box = [0, 0, 50, 50]
    wrong = [[0, 0.9, 60 + i, 60, 90 + i, 90] for i in range(12)]
    for area in (32.0**2, 96.0**2):
        judged = Judged([[[0, *box, 0]]], [[*wrong, [0, 0.1, *box]]], 1, areas=[area])
        expected = judged.metric.compute()
        assert scores(judged) == pytest.approx(expected, abs=1e-12)
        assert (expected["AR10"], expected["AR100"], expected["ARm"]) == (0, 1, 1)


@pytest.mark.parametrize(("kind", "map_type"), [("COCO", ""), ("VOC", "11point"), ("VOC", "integral")])
@pytest.mark.parametrize("seed", range(6))
def test_a_weight_counts_an_image_several_times(seed: int, kind: str, map_type: str) -> None:
    """As if the data set had copies of it. Scores differ, because tied detections of copies have no order."""
    judged = random_judged(seed, images=12, kind=kind, map_type=map_type or "11point")
    rng = np.random.default_rng(seed)
    for rows in judged.detections:
        rows[:, 1] = rng.random(len(rows))
    weights = rng.multinomial(12, np.full(12, 1 / 12))
    chosen = np.repeat(np.arange(12), weights)
    copies = dataclasses.replace(
        judged,
        objects=[judged.objects[i] for i in chosen],
        detections=[judged.detections[i] for i in chosen],
    )
    found, expected = scores(judged, weights), copies.metric.compute()
    names = found.keys() & expected.keys()
    assert len(names) in (1, 12)
    assert {name: found[name] for name in names} == pytest.approx({name: expected[name] for name in names}, abs=1e-12)


def test_nothing_found_or_nothing_to_find() -> None:
    box = [0, 0, 50, 50]
    assert scores(Judged([[[0, *box, 0]]], [[]]))["AP"] == 0
    assert scores(Judged([[]], [[[0, 0.9, *box]]]))["AP"] == -1
    assert set(scores(Judged([], [])).values()) == {-1}
