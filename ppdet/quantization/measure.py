"""What a model costs and what it is worth: score on the config's EvalDataset, latency, size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import paddle
from tqdm import tqdm

from ppdet.core.settings import ExportSettings
from ppdet.evaluation.evaluator import Evaluator
from ppdet.export.runners import Feed, Runner
from ppdet.metrics.results import ImageDetections
from ppdet.modeling.nms import MultiClassNMS
from ppdet.quantization.calibration import Inputs


def score_models(
    evaluator: Evaluator, inputs: Inputs, runners: Mapping[str, Runner], settings: ExportSettings, nms: MultiClassNMS
) -> dict[str, dict[str, float]]:
    """The metric's numbers for each of the models, which all see the same images."""
    found: dict[str, list[ImageDetections]] = {name: [] for name in runners}
    with closing(evaluator.loader) as loader:
        batches = tqdm(loader.epoch(0), total=len(loader), desc="eval", unit="batch", leave=False, disable=None)
        for feed, im_ids, scale_factor in inputs.feeds(batches):
            for name, run in runners.items():
                rows = detections(run(feed), settings, nms)[: len(im_ids)]
                scaled = (_to_original(r, settings.boxes, s, inputs.size) for r, s in zip(rows, scale_factor))  # noqa: B905
                found[name] += zip(im_ids, scaled, strict=True)
    return {name: evaluator.score(rows) for name, rows in found.items()}


def detections(outputs: Sequence[np.ndarray], settings: ExportSettings, nms: MultiClassNMS) -> list[np.ndarray]:
    """Rows [n, 6] (class, score, x1, y1, x2, y2) of each image, in the unit of `settings.boxes`."""
    if not settings.nms:
        bbox, bbox_num = nms(*map(paddle.to_tensor, outputs))
        outputs = [bbox.numpy().reshape(-1, 6), bbox_num.numpy()]
    return np.split(outputs[0], np.cumsum(outputs[1])[:-1])


def _to_original(rows: np.ndarray, unit: str, scale_factor: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Rows with boxes in pixels of the original image; scale_factor [2] and `size` are (y, x)."""
    if unit == "image":
        return rows
    pixels = np.array(size if unit == "normalized" else (1, 1), np.float32)
    return np.concatenate([rows[:, :2], rows[:, 2:] * np.tile((pixels / scale_factor)[::-1], 2)], axis=1)


def latencies(runners: Mapping[str, Runner], feed: Feed, repeats: int = 50, warm_up: int = 5) -> dict[str, float]:
    """Milliseconds per run, the median of `repeats`, which are taken in turn so that a busy moment hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(warm_up + repeats):
        for name, run in runners.items():
            start = time.perf_counter()
            run(feed)
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def megabytes(path: Path) -> float:
    """Size of a model on disk, with the .bin that belongs to an .xml."""
    files = [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]
    return sum(file.stat().st_size for file in files) / 1e6
