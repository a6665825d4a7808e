"""Scores of a detector: `build_metric` picks the one that a config's `metric` key asks for."""

from __future__ import annotations

from ppdet.core.errors import UserError
from ppdet.metrics.base import Metric
from ppdet.metrics.coco import CocoMetric, format_summary
from ppdet.metrics.inputs import Dataset
from ppdet.metrics.voc import VocMetric
from ppdet.utils.tables import format_table

__all__ = ["CocoMetric", "Metric", "VocMetric", "build_metric", "format_summary", "format_table"]


def build_metric(kind: str, dataset: Dataset, map_type: str = "11point") -> Metric:
    """The metric `kind` ("COCO" or "VOC") for a loaded dataset."""
    if kind == "VOC":
        return VocMetric(dataset.categories, dataset.records, map_type)
    if kind == "COCO":
        return CocoMetric(dataset.categories, dataset.records, dataset.truth)
    raise UserError(f"metric: found {kind!r}; expected one of COCO, VOC")
