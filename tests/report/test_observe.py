"""Evidence read from detections that are written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.metrics.analysis import analyze
from ppdet.report.evidence import Share, Taken, Trained
from ppdet.report.galleries import Scene
from ppdet.report.observe import box_sides, confusions, gather, groups, mistakes_by_kind, size_edges, trained
from tests.support.evaluated import make_evaluated, make_records, make_scene

BIG, SMALL, AWAY = [20, 20, 120, 120], [5, 5, 15, 15], [150, 150, 190, 190]


def test_sizes_that_tell_objects_apart() -> None:
    assert size_edges(np.array([10.0] * 40 + [40.0] * 2 + [100.0] * 40 + [5000.0] * 18)) == [
        16,
        32,
        64,
        128,
        256,
        512,
        1024,
    ]
    assert size_edges(np.array([10.0] * 2 + [40.0] * 98)) == []
    assert size_edges(np.empty(0)) == []


def test_groups_count_what_is_missed() -> None:
    objects = [[[0, *BIG], [0, *SMALL], [1, *AWAY]], [[0, *BIG], [1, *AWAY]], [[1, *SMALL]]]
    detections = [[[0, 0.9, *BIG], [1, 0.9, *AWAY]], [[0, 0.8, *BIG], [1, 0.8, *AWAY]], []]
    found = {group.name: group for group in groups(make_scene(objects, detections))}
    assert found["`a`"].missed == Share(1, 3)
    assert found["objects smaller than 16 pixels"].missed == Share(2, 2)
    assert found["objects smaller than 16 pixels"].is_small
    assert found["objects smaller than 64 pixels"].missed == Share(2, 4)
    assert found["`b` smaller than 16 pixels"].missed == Share(1, 1)
    assert found["`b` of 16 pixels or more"].missed == Share(0, 2)
    assert not found["`b` of 16 pixels or more"].is_small
    assert "objects in images with 2 boxes or more" not in found  # 5 of 6 are: nearly everything


def test_difficult_objects_are_in_no_group() -> None:
    objects = [[[0, *BIG], [0, *SMALL, 1]], [[1, *BIG]]]
    found = groups(make_scene(objects, [[[0, 0.9, *BIG]], [[1, 0.9, *BIG]]], metric="VOC"))
    assert {group.name: group.missed for group in found} == {"`a`": Share(0, 1), "`b`": Share(0, 1)}


def test_crowds_and_shapes() -> None:
    many = [[0, 10 * i, 0, 10 * i + 8, 8] for i in range(12)]
    wide, high = [1, 0, 100, 90, 120], [1, 150, 50, 160, 190]
    scene = make_scene([many, [wide, high], *[[[0, *BIG]]] * 4], [[], [[1, 0.9, *wide[1:]]], *[[[0, 0.9, *BIG]]] * 4])
    found = {group.name: group.missed for group in groups(scene)}
    assert found["objects in images with 10 boxes or more"] == Share(12, 12)
    assert found["objects in images with 2 boxes or more"] == Share(13, 14)
    assert found["objects more than 3 times as wide as high"] == Share(0, 1)
    assert found["objects more than 3 times as high as wide"] == Share(1, 1)


def test_mistakes_are_counted_once() -> None:
    """A confusion, a duplicate, a bad box with its missed object, a box of nothing, a missed object."""
    objects = [[[0, *BIG]], [[0, *BIG]], [[0, *BIG]], [[1, *SMALL]]]
    shifted = [70, 20, 170, 120]  # IoU 1/3
    detections = [
        [[1, 0.9, *BIG]],
        [[0, 0.9, *BIG], [0, 0.9, *BIG]],
        [[0, 0.9, *shifted]],
        [[0, 0.9, *AWAY]],
    ]
    scene = make_scene(objects, detections)
    expected = {"classification": 1, "localization": 1, "both": 0, "duplicate": 1, "background": 1, "missed": 2}
    assert mistakes_by_kind(scene) == expected
    counts = scene.confusion.counts
    assert sum(expected.values()) == counts.sum() - np.trace(counts)
    assert confusions(scene) == [Taken("a", "b", Share(1, 3))]


def test_sizes_at_the_ends_of_the_training_set() -> None:
    scene = make_scene([[[0, *BIG], [1, *SMALL]]] * 10, [[]] * 10)
    training = make_records([[[0, *BIG]], [[0, 0, 0, 150, 150]]] * 100)
    found = trained(scene, training)
    assert found[0] == Trained("objects smaller than 100 pixels", Share(0, 200), Share(10, 20))
    assert found[1] == Trained("objects larger than 150 pixels", Share(0, 200), Share(0, 20))
    assert found[2:] == [Trained("`a`", Share(200, 200), Share(10, 20)), Trained("`b`", Share(0, 200), Share(10, 20))]
    assert trained(scene, []) == []
    assert box_sides(training[:1]).tolist() == [100]


def test_evidence_of_a_data_set_without_anything() -> None:
    evaluated = make_evaluated(make_records([[], []]), [[], []])
    evidence = gather(evaluated, make_scene([[], []], [[], []]))
    assert evidence.missed == Share(0, 0)
    assert evidence.best is None
    assert sum(evidence.mistakes.values()) == 0


def test_an_interval_ends_where_scores_do() -> None:
    evaluated = make_evaluated(make_records([[[0, *BIG]]] * 2), [[[0, 0.9, *BIG]], []])
    analysis = analyze(evaluated.detections, evaluated.dataset)
    assert analysis.intervals["AP"].low < 0
    assert analysis.intervals["AP"].high > 1
    assert gather(evaluated, Scene(analysis, evaluated.dataset.records, ["a", "b"])).interval == (0, 1)


def test_numbers_at_the_threshold() -> None:
    scene = make_scene([[[0, *BIG]]] * 5, [[[0, 0.9, *BIG], [0, 0.1, *AWAY]]] * 4 + [[[1, 0.9, *BIG]]])
    evidence = gather(make_evaluated(scene.records, [[]] * 5), scene)
    assert evidence.best == pytest.approx((0.5, 0.8))
    assert evidence.right == Share(4, 5)
    assert evidence.loss == pytest.approx(1 - 0.8, abs=0.01)
    assert evidence.mean_score == pytest.approx(0.9)
