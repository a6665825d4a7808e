"""Running a detector over a dataset and scoring it."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
import paddle
from tqdm import tqdm

from ppdet.core.errors import UserError
from ppdet.data import Batch
from ppdet.data.datasets import Dataset
from ppdet.data.loading.loader import Loader
from ppdet.evaluation.predictor import Graphs, make_predictor
from ppdet.metrics import CocoMetric, Metric, build_metric, format_summary, format_table
from ppdet.metrics.inputs import Category
from ppdet.metrics.results import ImageDetections, load_results, save_results
from ppdet.modeling import PicoDet
from ppdet.runtime import distributed
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.runtime.device import peak_memory_mb
from ppdet.session import Session
from ppdet.utils.ids import FileId
from ppdet.weights.trained_classes import TrainedClasses

logger = logging.getLogger(__name__)


def detect(
    model: PicoDet, batches: Iterable[Batch], images: int, batch_size: int = 0, graphs: Graphs | None = None
) -> Iterator[ImageDetections]:
    """im_id and detections [n, 6] float32 (class, score, x1, y1, x2, y2 in original pixels) of each of the images.

    Batches smaller than `batch_size` are filled up: kernels may round in another way for another size, and that of the
    last batch depends on the number of ranks.
    """
    predict = make_predictor(model, images, graphs)
    for batch in batches:
        im_ids = batch.im_id.numpy().tolist()
        bbox, bbox_num = predict(_filled(batch.image, batch_size), _filled(batch.scale_factor, batch_size))
        parts = np.split(bbox, np.cumsum(bbox_num)[:-1])
        yield from zip(im_ids, parts[: len(im_ids)], strict=True)


def _filled(values: paddle.Tensor, count: int) -> paddle.Tensor:
    """values [n, ...] with the last one repeated, [count, ...]."""
    missing = count - values.shape[0]
    return paddle.concat([values, *[values[-1:]] * missing]) if missing > 0 else values


@dataclass(frozen=True)
class Evaluator:
    """Scores detectors on one dataset. Under the launcher each rank detects its share and all get the same scores."""

    loader: Loader
    metric: Metric
    categories: Sequence[Category]
    image_ids: Sequence[FileId]  # what the annotation file calls the images, by im_id
    images: int  # in the dataset
    batch_size: int = 0  # to which smaller batches are filled up; 0: not at all
    graphs: Graphs = field(default_factory=Graphs)  # of one evaluation after the other

    def __call__(self, model: PicoDet) -> dict[str, float]:
        """The metric's numbers for `model`, on every rank; the model is in evaluation mode afterwards."""
        return self.score(self.detect(model))

    def detect(self, model: PicoDet, batches: Generator[Batch, None, None] | None = None) -> list[ImageDetections]:
        """The detections of every image, on every rank. batches: an epoch of `loader` that has begun already."""
        start = time.perf_counter()
        # closed here: at its end in a garbage collection Python would print a second Ctrl-C as a trace
        with closing(self.loader.epoch(0) if batches is None else batches) as read:
            bar = tqdm(total=len(self.loader), desc="eval", unit="batch", leave=False,
                       disable=True if distributed.rank() else None)  # fmt: skip
            found = list(detect(model, _counted(read, bar), self.images, self.batch_size, self.graphs))
        everything = gather_detections(found)
        seconds = time.perf_counter() - start
        logger.info("detected on %d images in %.2f s (%.1f images/s)", len(everything), seconds,
                    len(everything) / seconds)  # fmt: skip
        return everything

    def score(self, detections: Iterable[ImageDetections]) -> dict[str, float]:
        """See the function `score`."""
        return score(self.metric, detections)


def _counted(batches: Iterable[Batch], bar: tqdm) -> Iterator[Batch]:
    """The batches; a tqdm as their iterator would close them."""
    with bar:
        for batch in batches:
            yield batch
            bar.update()


def score(metric: Metric, detections: Iterable[ImageDetections]) -> dict[str, float]:
    """The metric's numbers for detections made here or elsewhere; rank 0 computes them for all."""
    scores, error = {}, None
    if distributed.rank() == 0:
        try:
            metric.reset()
            for im_id, rows in detections:
                metric.update(im_id, rows)
            scores = metric.compute()
        except UserError as e:
            error = e
    distributed.raise_together(error)
    return distributed.gather(scores)[0]


def gather_detections(own: Sequence[ImageDetections]) -> list[ImageDetections]:
    """The detections of all ranks in the dataset's order, of which each rank has every world_size-th image."""
    if distributed.world_size() == 1:
        return list(own)
    im_ids = distributed.gather_rows(np.array([im_id for im_id, _ in own], np.int64))
    counts = distributed.gather_rows(np.array([len(rows) for _, rows in own], np.int64))
    rows = distributed.gather_rows(np.concatenate([np.zeros((0, 6), np.float32), *(rows for _, rows in own)]))
    parts = [
        list(zip(ids.tolist(), np.split(found, np.cumsum(count)[:-1]), strict=True)) if len(ids) else []
        for ids, count, found in zip(im_ids, counts, rows, strict=True)
    ]
    return [pair for turn in zip_longest(*parts) for pair in turn if pair]


def load_truth(session: Session, trained: TrainedClasses | None = None) -> tuple[Dataset, Metric]:
    """EvalDataset and the config's `metric` for it.

    Raises UserError where its classes are not those that were `trained`.
    """
    dataset = session.load_annotated("EvalDataset", trained)
    metric = build_metric(session.settings.metric, dataset, session.settings.map_type)
    if not metric.has_truth():
        logger.warning("%s: no image has an object to be found (crowds and difficult ones do not count), so that the "
                       "scores mean nothing", dataset.anno_file)  # fmt: skip
    return dataset, metric


def build_evaluator(session: Session, trained: TrainedClasses | None = None) -> Evaluator:
    """EvalDataset through EvalReader, scored by the config's `metric`; errors as those of `load_truth`."""
    dataset, metric = load_truth(session, trained)
    reader = session.builder.build("EvalReader")
    reader.worker_num = min(reader.worker_num, cpu_threads())  # more would only take time to start
    loader = reader.bind(dataset, rank=distributed.rank(), world_size=distributed.world_size())
    return Evaluator(loader, metric, dataset.categories, dataset.image_ids, len(dataset), reader.batch_size)


def describe_scores(metric: Metric, scores: dict[str, float]) -> str:
    """The 12 COCO lines, or VOC's one."""
    if isinstance(metric, CocoMetric):
        return format_summary(scores)
    return "  ".join(f"{name} {value:.4f}" for name, value in scores.items())


@distributed.together()
def evaluate_to_console(session: Session, classwise: bool, output_dir: Path | None, from_json: bool) -> None:
    """What tools/eval.py does: score the config's `weights`, or the detections of an earlier run."""
    folder = output_dir or (Path(session.settings.output_eval) if session.settings.output_eval else None)
    results_file = (folder or Path()) / "bbox.json"
    if from_json:  # needs no images
        dataset, metric = load_truth(session)
        detections = load_results(results_file, dataset.categories, dataset.image_ids)
    else:
        evaluator = build_evaluator(session, session.trained_classes())
        metric = evaluator.metric
        with closing(evaluator.loader) as loader:
            batches = loader.epoch(0)  # its workers read while the model is loaded and its graph made
            model = session.load_model()
            distributed.watch()
            detections = evaluator.detect(model, batches)
    scores = score(metric, detections)
    distributed.leave()
    if distributed.rank():
        return
    if folder and not from_json:  # before anything is printed, which can fail
        count = save_results(results_file, detections, evaluator.categories, evaluator.image_ids)
        logger.info("%s: %d detections written", results_file, count)
    logger.info("peak memory %.0f MB", peak_memory_mb(session.device))
    print(describe_scores(metric, scores))
    if classwise or session.settings.classwise:
        print(format_table(metric.classwise()))
