"""The datasets of ppdet.data fit the metrics: their own boxes as detections get full marks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, Dataset, VOCDataSet
from ppdet.metrics import CocoMetric, VocMetric, build_metric
from tests.support.datasets import CLASSES, draw_scene, write_coco, write_voc


@pytest.fixture(params=["coco", "voc"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    scenes = map(draw_scene, range(4))
    if request.param == "coco":
        write_coco(tmp_path / "val.json", tmp_path / "val", scenes)
        return COCODataSet(str(tmp_path), "val", "val.json").load()
    write_voc(tmp_path, "val", scenes)
    return VOCDataSet(str(tmp_path), anno_path="val.txt", label_list="labels.txt").load()


@pytest.mark.parametrize(("kind", "metric_type"), [("COCO", CocoMetric), ("VOC", VocMetric)])
def test_full_marks(dataset: Dataset, kind: str, metric_type: type) -> None:
    metric = build_metric(kind, dataset)
    assert type(metric) is metric_type
    assert metric.has_truth()
    for record in dataset.records:
        scores = np.full((len(record.gt_bbox), 1), 0.9)
        metric.update(record.im_id, np.hstack([record.gt_class, scores, record.gt_bbox]))
    assert metric.compute()[metric.primary] == pytest.approx(1)
    rows = metric.classwise()
    assert [row[0] for row in rows] == list(CLASSES)
    assert sum(row[1] for row in rows) == sum(len(record.gt_bbox) for record in dataset.records) == 6


def test_an_unknown_kind(dataset: Dataset) -> None:
    with pytest.raises(UserError, match=r"^metric: found 'LVIS'; expected one of COCO, VOC$"):
        build_metric("LVIS", dataset)
