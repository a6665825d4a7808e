"""Running a detector over a dataset and scoring it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from tqdm import tqdm

from ppdet.data import Batch
from ppdet.data.loader import Loader
from ppdet.engine import distributed
from ppdet.engine.run import Run
from ppdet.metrics import CocoMetric, Metric, build_metric, format_summary, format_table
from ppdet.metrics.inputs import Category
from ppdet.metrics.results import ImageDetections, load_results, save_results
from ppdet.modeling import PicoDet

logger = logging.getLogger(__name__)


def detect(model: PicoDet, batch: Batch) -> Iterator[tuple[int, np.ndarray]]:
    """(im_id, detections [n, 6] float32: class, score, x1, y1, x2, y2 in original pixels) of each image."""
    with paddle.no_grad():
        bbox, bbox_num = model.predict(model(batch.image), batch.scale_factor)
    ends = np.cumsum(bbox_num.numpy())[:-1]
    yield from zip(batch.im_id.numpy().tolist(), np.split(bbox.numpy().reshape(-1, 6), ends), strict=True)


@dataclass(frozen=True)
class Evaluator:
    """Scores detectors on one dataset. Under the launcher each rank detects its share and all get the same scores."""

    loader: Loader
    metric: Metric
    categories: Sequence[Category]

    def __call__(self, model: PicoDet) -> dict[str, float]:
        """The metric's numbers for `model`, which is in evaluation mode afterwards."""
        return self.score(self.detect(model))

    def detect(self, model: PicoDet) -> list[ImageDetections]:
        """The detections of every image, on every rank."""
        model.eval()
        start = time.perf_counter()
        found = []
        for batch in tqdm(self.loader.epoch(0), total=len(self.loader), desc="eval", unit="batch", leave=False,
                          disable=True if distributed.rank() else None):  # fmt: skip
            found.extend(detect(model, batch))
        everything = [pair for part in distributed.gather(found) for pair in part]
        seconds = time.perf_counter() - start
        logger.info("detected on %d images in %.1f s (%.1f images/s)", len(everything), seconds,
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
    loader = reader.bind(dataset, rank=distributed.rank(), world_size=distributed.world_size())
    metric = build_metric(run.settings.metric, dataset, run.settings.map_type)
    return Evaluator(loader, metric, dataset.categories)


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
    detections = load_results(results_file, evaluator.categories) if from_json else evaluator.detect(run.load_model())
    scores = evaluator.score(detections)
    if distributed.rank():
        return
    print(describe_scores(evaluator.metric, scores))
    if classwise or run.settings.classwise:
        print(format_table(evaluator.metric.classwise()))
    if folder and not from_json:
        count = save_results(results_file, detections, evaluator.categories)
        logger.info("%s: %d detections written", results_file, count)
