"""Running a detector over a dataset and scoring it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ppdet.data import Batch
from ppdet.data.loader import Loader
from ppdet.engine import distributed
from ppdet.engine.cpu_tuning import cpu_threads
from ppdet.engine.device import peak_memory_mb
from ppdet.engine.predictor import make_predictor
from ppdet.engine.run import Run
from ppdet.metrics import CocoMetric, Metric, build_metric, format_summary, format_table
from ppdet.metrics.inputs import Category
from ppdet.metrics.results import ImageDetections, load_results, save_results
from ppdet.modeling import PicoDet

logger = logging.getLogger(__name__)


def detect(model: PicoDet, batches: Iterable[Batch], images: int) -> Iterator[ImageDetections]:
    """im_id and detections [n, 6] float32 (class, score, x1, y1, x2, y2 in original pixels) of each of the images."""
    predict = make_predictor(model, images)
    for batch in batches:
        bbox, bbox_num = predict(batch.image, batch.scale_factor)
        yield from zip(batch.im_id.numpy().tolist(), np.split(bbox, np.cumsum(bbox_num)[:-1]), strict=True)


@dataclass(frozen=True)
class Evaluator:
    """Scores detectors on one dataset. Under the launcher each rank detects its share and all get the same scores."""

    loader: Loader
    metric: Metric
    categories: Sequence[Category]
    images: int  # in the dataset

    def __call__(self, model: PicoDet) -> dict[str, float]:
        """The metric's numbers for `model`, which is in evaluation mode afterwards."""
        return self.score(self.detect(model))

    def detect(self, model: PicoDet, batches: Iterable[Batch] | None = None) -> list[ImageDetections]:
        """The detections of every image, on every rank. batches: an epoch of `loader` that has begun already."""
        start = time.perf_counter()
        batches = tqdm(self.loader.epoch(0) if batches is None else batches, total=len(self.loader), desc="eval",
                       unit="batch", leave=False, disable=True if distributed.rank() else None)  # fmt: skip
        found = list(detect(model, batches, self.images))
        everything = [pair for part in distributed.gather(found) for pair in part]
        seconds = time.perf_counter() - start
        logger.info("detected on %d images in %.2f s (%.1f images/s)", len(everything), seconds,
                    len(everything) / seconds)  # fmt: skip
        return everything

    def score(self, detections: Iterable[ImageDetections]) -> dict[str, float]:
        """The metric's numbers for detections made here or elsewhere."""
        self.metric.reset()
        for im_id, rows in detections:
            self.metric.update(im_id, rows)
        return self.metric.compute()


def build_evaluator(run: Run) -> Evaluator:
    """EvalDataset through EvalReader, scored by the config's `metric`."""
    dataset = run.load_dataset("EvalDataset")
    reader = run.builder.build("EvalReader")
    reader.worker_num = min(reader.worker_num, cpu_threads())  # more would only take time to start
    loader = reader.bind(dataset, rank=distributed.rank(), world_size=distributed.world_size())
    metric = build_metric(run.settings.metric, dataset, run.settings.map_type)
    return Evaluator(loader, metric, dataset.categories, len(dataset))


def describe_scores(metric: Metric, scores: dict[str, float]) -> str:
    """The 12 COCO lines, or VOC's one."""
    if isinstance(metric, CocoMetric):
        return format_summary(scores)
    return "  ".join(f"{name} {value:.4f}" for name, value in scores.items())


def evaluate_to_console(run: Run, classwise: bool, output_dir: Path | None, from_json: bool) -> None:
    """What tools/eval.py does: score the config's `weights`, or the detections of an earlier run."""
    evaluator = build_evaluator(run)
    folder = output_dir or (Path(run.settings.output_eval) if run.settings.output_eval else None)
    results_file = (folder or Path()) / "bbox.json"
    if from_json:
        detections = load_results(results_file, evaluator.categories)
    else:
        with closing(evaluator.loader) as loader:
            batches = loader.epoch(0)  # its workers read while the model is loaded and its graph made
            detections = evaluator.detect(run.load_model(), batches)
    scores = evaluator.score(detections)
    if distributed.rank():
        return
    logger.info("peak memory %.0f MB", peak_memory_mb(run.device))
    print(describe_scores(evaluator.metric, scores))
    if classwise or run.settings.classwise:
        print(format_table(evaluator.metric.classwise()))
    if folder and not from_json:
        count = save_results(results_file, detections, evaluator.categories)
        logger.info("%s: %d detections written", results_file, count)
