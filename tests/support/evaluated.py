"""Small evaluations for the report, with images on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from ppdet.data.datasets import Category
from ppdet.data.structures import Record
from ppdet.metrics.analysis.analysis import analyze
from ppdet.report.galleries import Scene
from ppdet.report.source import Evaluated

Rows = Sequence[Sequence[float]]


def make_records(objects: Sequence[Rows], folder: Path = Path("/none"), names: Sequence[str] = ()) -> list[Record]:
    """Images of 200 x 200 with objects (class, x1, y1, x2, y2, and 1 if it is difficult).

    Files are written if `names` are given.
    """
    records = []
    for im_id, rows in enumerate(objects):
        table = np.array([[*row, 0][:6] for row in rows], np.float32).reshape(-1, 6)
        file = folder / (names[im_id] if names else f"{im_id}.png")
        if names:
            file.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(im_id).integers(0, 256, (200, 200, 3), np.uint8)
            file.write_bytes(cv2.imencode(".png", noise)[1].tobytes())
        classes, difficult = table[:, :1].astype(np.int32), table[:, 5:].astype(np.int32)
        records.append(Record(str(file), im_id, (200, 200), table[:, 1:5], classes, difficult))
    return records


def make_scene(
    objects: Sequence[Rows], detections: Sequence[Rows], names: Sequence[str] = ("a", "b"), metric: str = "COCO"
) -> Scene:
    """Detections are rows: class, score, x1, y1, x2, y2. Without resamples, for speed."""
    evaluated = make_evaluated(make_records(objects), detections, names)
    analysis = analyze(evaluated.detections, evaluated.dataset, metric, resamples=0)
    return Scene(analysis, evaluated.dataset.records, list(names))


def make_evaluated(
    records: Sequence[Record], detections: Sequence[Rows], names: Sequence[str] = ("a", "b"), **changes: Any
) -> Evaluated:
    """An evaluation of the records, by COCO's rule unless `changes` say otherwise."""
    categories = [Category(index, name) for index, name in enumerate(names)]
    dataset: Any = SimpleNamespace(records=list(records), categories=categories, truth=None)
    found = [(im_id, np.array(rows, np.float64).reshape(-1, 6)) for im_id, rows in enumerate(detections)]
    values = {
        "name": "run",
        "training": None,
        "metric": "COCO",
        "map_type": "11point",
        "scores": {"AP": 0.5, "AP50": 0.75, "APs": -1.0},
        "facts": [("command", "ppdet eval")],
        "config": "epoch: 1",
        "settings": {"nms_threshold": "0.6"},
    }
    return Evaluated(dataset=dataset, detections=found, **{**values, **changes})
