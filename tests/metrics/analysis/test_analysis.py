from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, VOCDataSet
from ppdet.metrics import CocoMetric, VocMetric
from ppdet.metrics.analysis import Analysis, analyze
from ppdet.metrics.results import load_results
from tests.support.judged import Judged, random_judged


def run(judged: Judged, **options) -> Analysis:
    return analyze(judged.found, judged.dataset, judged.kind, judged.map_type, **{"resamples": 10, **options})


@pytest.mark.parametrize(("kind", "map_type"), [("COCO", "11point"), ("VOC", "11point"), ("VOC", "integral")])
def test_the_parts_agree(kind: str, map_type: str) -> None:
    judged = random_judged(2, images=40, kind=kind, map_type=map_type)
    found, official = run(judged), judged.metric
    assert {name: found.scores[name] for name in official.compute()} == pytest.approx(official.compute(), abs=1e-12)
    assert found.class_ap.tolist() == pytest.approx([row.AP for row in official.classwise()], abs=1e-12)
    np.testing.assert_allclose(found.errors.AP, found.class_ap50.mean(), atol=1e-12)
    counts = [curve.positives for curve in found.curves]
    assert counts == [row.ground_truths for row in official.classwise()]
    assert found.confusion.counts[:-1].sum(1).tolist() == counts
    wrong = sum(int(curve.wrong[-1]) for curve in found.curves)
    assert found.errors.counts[:5].sum() == wrong == found.overall.wrong[-1]
    assert found.confusion.threshold == found.overall.best_f1().threshold
    assert sum(bucket.objects for bucket in found.shapes) == sum(counts) == sum(b.objects for b in found.crowding)
    assert found.reliability.count.sum() == found.overall.right[-1] + wrong
    assert found.intervals.keys() == found.scores.keys()
    assert len(found.class_intervals) == 4


def test_records_without_a_file_count_difficult_objects_in_coco() -> None:
    judged = random_judged(4, images=30, kind="VOC")
    metric = CocoMetric(judged.categories, judged.records)
    for im_id, rows in judged.found:
        metric.update(im_id, rows)
    assert analyze(judged.found, judged.dataset, "COCO", resamples=2).scores == pytest.approx(
        metric.compute(), abs=1e-12
    )


def test_records_limit_which_images_of_the_file_count() -> None:
    judged = random_judged(4, images=30)
    metric = CocoMetric(judged.categories, judged.records[:20], judged.truth)
    for im_id, rows in judged.found:
        metric.update(im_id, rows)
    part = SimpleNamespace(records=judged.records[:20], categories=judged.categories, truth=judged.truth)
    found = analyze(judged.found, part, resamples=2)
    assert found.scores == pytest.approx(metric.compute(), abs=1e-12)
    assert len(found.case.found) == sum(len(rows) for _, rows in judged.found[:20])


def test_the_overlap_that_is_asked_for() -> None:
    judged = random_judged(2, images=40)
    loose, strict = run(judged, iou=0.3, threshold=0.4), run(judged, iou=0.8)
    assert loose.scores == strict.scores
    assert loose.overall.right[-1] > strict.overall.right[-1]
    assert loose.confusion.threshold == 0.4
    for iou in (0.1, 1.1, float("nan")):
        with pytest.raises(UserError, match=f"iou: found {iou}; expected more than 0.1"):
            run(judged, iou=iou)
    with pytest.raises(UserError, match="metric: found 'LVIS'"):
        analyze([], judged.dataset, "LVIS")


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppdet.metrics.analysis.analysis.optional_module", lambda name: None)
    with pytest.raises(UserError, match="numba: cannot be imported; .*; pip install numba"):
        run(Judged([], []))


def test_nothing_is_right_and_nothing_at_all() -> None:
    assert run(Judged([[[0, 0, 0, 9, 9, 0]]], [[]])).confusion.threshold == 0.5
    assert run(Judged([], [])).scores["AP"] == -1


@pytest.mark.parametrize("model", ["picodet_xs_320_coco_lcnet", "picodet_s_320_coco_esnet"])
def test_published_detections(shared: Path, model: str) -> None:
    """The figures of `tide` were measured with tidecv 1.0.1, over the classes that have objects."""
    tide = {
        "picodet_xs_320_coco_lcnet": [7.251, 3.567, 1.427, 0.039, 3.369, 7.77],
        "picodet_s_320_coco_esnet": [3.671, 4.141, 2.396, 0.338, 2.044, 6.8],
    }
    file = "annotations/instances_val2017.json"
    data = COCODataSet(str(shared / "data/coco_tiny"), "val2017", file, allow_empty=True).load()
    detections = load_results(shared / f"golden/detections/{model}.coco_tiny_val.json", data.categories, data.image_ids)
    metric = CocoMetric(data.categories, data.records, data.truth)
    for im_id, rows in detections:
        metric.update(im_id, rows)
    found = analyze(detections, data, resamples=5)
    assert found.scores == pytest.approx(metric.compute(), abs=1e-12)
    assert (100 * found.errors.gain).tolist() == pytest.approx(tide[model], abs=0.1)


def test_a_voc_data_set(shared: Path) -> None:
    data = VOCDataSet(str(shared / "data/bccd"), "", "ImageSets/Main/test.txt").load()
    rng = np.random.default_rng(0)
    detections = []
    for record in data.records:
        boxes = record.gt_bbox + rng.normal(0, 8, record.gt_bbox.shape)
        scores = rng.random(len(boxes))
        detections.append((record.im_id, np.column_stack([record.gt_class, scores, boxes]).astype(np.float32)))
    metric = VocMetric(data.categories, data.records)
    for im_id, rows in detections:
        metric.update(im_id, rows)
    found = analyze(detections, data, "VOC", resamples=5)
    assert found.scores["mAP"] == pytest.approx(metric.compute()["mAP"], abs=1e-12)
    assert found.scores["mAP"] > 0.3
