"""Detections of exported models on EvalDataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TypeVar

import numpy as np
import paddle
from tqdm import tqdm

from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.base import Runner
from ppdet.evaluation.evaluator import Evaluator
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.metrics.results import ImageDetections
from ppdet.modeling.heads.base import Selection

Key = TypeVar("Key")  # the name of a model


def detect_with(
    evaluator: Evaluator,
    builder: FeedBuilder,
    runners: Mapping[Key, Runner],
    settings: ExportSettings,
    select: Selection,
) -> dict[Key, list[ImageDetections]]:
    """Returns the detections of each model of `runners`. All models see the same images.

    Args:
        evaluator: the images.
        builder: makes the models' inputs.
        runners: the models.
        settings: those that the models were exported with.
        select: makes detections of the outputs of models that end before.
    """
    found: dict[Key, list[ImageDetections]] = {name: [] for name in runners}
    with closing(evaluator.loader) as loader:
        batches = tqdm(loader.epoch(0), total=len(loader), desc="eval", unit="batch", leave=False, disable=None)
        for feed, im_ids, scale_factors in builder.feeds(batches):
            for name, run in runners.items():
                images = zip(im_ids, detections(run(feed), settings, select)[: len(im_ids)], scale_factors, strict=True)
                found[name] += [
                    (im_id, _to_original(rows, settings.box_unit, scale_factor, builder.image.size))
                    for im_id, rows, scale_factor in images
                ]
    return found


def detections(outputs: Sequence[np.ndarray], settings: ExportSettings, select: Selection) -> list[np.ndarray]:
    """Returns rows [n, 6] (class, score, x1, y1, x2, y2) for each image, in the unit of `settings.box_unit`."""
    if not settings.runs_nms:
        bbox, bbox_num = select(*map(paddle.to_tensor, outputs))
        outputs = [bbox.numpy().reshape(-1, 6), bbox_num.numpy()]
    return np.split(outputs[0], np.cumsum(outputs[1])[:-1])


def _to_original(rows: np.ndarray, unit: str, scale_factor: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns `rows` with boxes in pixels of the original image; scale_factor [2] and `size` are (y, x)."""
    if unit == "image":
        return rows
    pixels = np.array(size if unit == "normalized" else (1, 1), np.float32)
    return np.concatenate([rows[:, :2], rows[:, 2:] * np.tile((pixels / scale_factor)[::-1], 2)], axis=1)
