"""Scores of a detector: `build_metric` picks the one that a config's `metric` key asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ppdet.core.errors import UserError
from ppdet.metrics.coco import CocoMetric, format_summary
from ppdet.metrics.inputs import Category, Record
from ppdet.metrics.tables import CocoRow, VocRow, format_table
from ppdet.metrics.voc import VocMetric

__all__ = ["CocoMetric", "CocoRow", "Metric", "VocMetric", "VocRow", "build_metric", "format_summary", "format_table"]

Metric = CocoMetric | VocMetric
METRICS = ("COCO", "VOC")


class Dataset(Protocol):
    """What a metric needs of a loaded dataset."""

    @property
    def records(self) -> Sequence[Record]: ...

    @property
    def categories(self) -> Sequence[Category]: ...


def build_metric(kind: str, dataset: Dataset, map_type: str = "11point") -> Metric:
    """Make the metric `kind` ("COCO" or "VOC") for a loaded dataset.

    `metric.primary` names the number in `metric.compute()` that decides which model is best.
    COCO scores a COCO-format dataset against its annotation file, any other against its records.
    """
    if kind == "VOC":
        return VocMetric(dataset.categories, dataset.records, map_type)
    if kind == "COCO":
        return CocoMetric(dataset.categories, _coco_file(dataset), dataset.records)
    raise UserError(f"metric: found {kind!r}; expected one of {', '.join(METRICS)}")


def _coco_file(dataset: Dataset) -> Path | None:
    """The annotation file where it is COCO's JSON; VOC-format sets have a text list there."""
    path = getattr(dataset, "anno_file", None)
    return Path(path) if path is not None and Path(path).suffix == ".json" else None
