"""Runs a detector over a dataset and scores its detections."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
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
from ppdet.evaluation.predictor import Graphs, Inputs, predict_all
from ppdet.metrics import Metric, build_metric
from ppdet.metrics.results import ImageDetections, load_results
from ppdet.modeling import PicoDet
from ppdet.runtime import distributed
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session
from ppdet.weights.trained_classes import TrainedClasses

logger = logging.getLogger(__name__)


def detect(
    model: PicoDet, batches: Iterable[Batch], num_images: int, batch_size: int = 0, graphs: Graphs | None = None
) -> Iterator[ImageDetections]:
    """Detect on the images of all batches.

    Args:
        model: the detector, which is put in evaluation mode.
        batches: the images, as a reader gives them.
        num_images: about how many there are, which decides how the model is run.
        batch_size: smaller batches are padded to this size, because kernels may round differently for another size, and
            the size of the last batch depends on the number of ranks.
        graphs: those of earlier evaluations of this model.

    Yields:
        The im_id and the detections [n, 6] float32 (class, score, x1, y1, x2, y2 in original pixels) of each image.
    """
    im_ids: deque[list[int]] = deque()  # of the batches that the model is working on

    def inputs() -> Iterator[Inputs]:
        for batch in batches:
            im_ids.append(batch.im_id.tolist())
            yield _padded(batch.image, batch_size), _padded(batch.scale_factor, batch_size)

    for bbox, bbox_num in predict_all(model, inputs(), num_images, graphs):
        own = im_ids.popleft()
        yield from zip(own, np.split(bbox, np.cumsum(bbox_num)[:-1])[: len(own)], strict=True)


def _padded(values: paddle.Tensor, count: int) -> paddle.Tensor:
    """Returns `values` [n, ...] as [count, ...], with the last one repeated."""
    missing = count - values.shape[0]
    return paddle.concat([values, *[values[-1:]] * missing]) if missing > 0 else values


@dataclass(frozen=True)
class Evaluator:
    """Scores detectors on one dataset.

    With several ranks each one detects on its share of the images, and all get the same scores.

    Attributes:
        loader: batches of the rank's images.
        metric: what scores.
        dataset: the images and their objects.
        num_images: about how many images there are.
        batch_size: smaller batches are padded to this size; 0: never.
        graphs: the inference graphs of one evaluation after the other.
        watch: sees the detections of each call on rank 0, before they are scored.
    """

    loader: Loader
    metric: Metric
    dataset: Dataset
    num_images: int
    batch_size: int = 0
    graphs: Graphs = field(default_factory=Graphs)
    watch: Callable[[Sequence[ImageDetections]], None] | None = None

    def __call__(self, model: PicoDet) -> dict[str, float]:
        """Returns the metric's numbers for `model`, on every rank. Puts the model in evaluation mode."""
        detections = self.detect(model)
        if self.watch and distributed.rank() == 0:
            self.watch(detections)
        return self.score(detections)

    def detect(self, model: PicoDet, batches: Generator[Batch, None, None] | None = None) -> list[ImageDetections]:
        """Returns the detections of all images, on every rank.

        Args:
            model: the detector, which is put in evaluation mode.
            batches: an epoch of `loader` that has begun; None: begin one.
        """
        start = time.perf_counter()
        # Close the generator here. If the garbage collector did, Python would print a second Ctrl-C as a trace.
        with closing(self.loader.epoch(0) if batches is None else batches) as epoch:
            hidden = True if distributed.rank() else None  # None: unless the output is a terminal
            bar = tqdm(total=len(self.loader), desc="eval", unit="batch", leave=False, disable=hidden)
            own = list(detect(model, _counted(epoch, bar), self.num_images, self.batch_size, self.graphs))
        everything = gather_detections(own)
        seconds = time.perf_counter() - start
        rate = len(everything) / seconds
        logger.info("detected on %d images in %.2f s (%.1f images/s)", len(everything), seconds, rate)
        return everything

    def score(self, detections: Iterable[ImageDetections]) -> dict[str, float]:
        """Returns the metric's numbers for the detections, on every rank."""
        return score(self.metric, detections)


def _counted(batches: Iterable[Batch], bar: tqdm) -> Iterator[Batch]:
    """Yield the batches and count them on `bar`, without closing them as iterating over tqdm would."""
    with bar:
        for batch in batches:
            yield batch
            bar.update()


def score(metric: Metric, detections: Iterable[ImageDetections]) -> dict[str, float]:
    """Returns the metric's numbers for detections, on every rank. Rank 0 computes them."""
    scores, error = {}, None
    if distributed.rank() == 0:
        try:
            metric.reset()
            for im_id, rows in detections:
                metric.update(im_id, rows)
            scores = metric.compute()
        except UserError as e:
            error = e
    distributed.raise_on_all_ranks(error)
    of_rank_0: dict[str, float] = distributed.all_gather_object(scores)[0]
    return of_rank_0


def gather_detections(own: Sequence[ImageDetections]) -> list[ImageDetections]:
    """Returns the detections of all ranks in the dataset's order.

    Each rank brings those of every world_size-th image, beginning with its own rank.
    """
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
    """Returns EvalDataset and the config's `metric` for it.

    Raises:
        UserError: the dataset cannot be read, or its classes are not the `trained` ones.
    """
    dataset = session.load_annotated("EvalDataset", trained)
    metric = build_metric(session.settings.metric, dataset, session.settings.map_type)
    if not metric.has_truth():
        logger.warning(
            "%s: no image has an object to be found (crowds and difficult ones do not count); the scores mean nothing",
            dataset.anno_file or dataset.root,
        )
    return dataset, metric


def build_evaluator(session: Session, trained: TrainedClasses | None = None) -> Evaluator:
    """Returns an evaluator on EvalDataset, prepared by EvalReader; errors are those of `load_truth`."""
    dataset, metric = load_truth(session, trained)
    reader = session.builder.build("EvalReader")
    reader.worker_num = min(reader.worker_num, cpu_threads())  # more workers than cores only add start-up time
    loader = reader.bind(dataset, rank=distributed.rank(), world_size=distributed.world_size())
    return Evaluator(loader, metric, dataset, len(dataset), reader.batch_size)


def run_evaluation(session: Session) -> tuple[Dataset, Metric, list[ImageDetections]]:
    """Runs the config's `weights` on EvalDataset; returns the dataset, its metric and the detections."""
    evaluator = build_evaluator(session, session.trained_classes())
    with closing(evaluator.loader) as loader:
        batches = loader.epoch(0)  # the workers begin to read while the model is loaded
        model = session.load_model()
        distributed.watch()
        return evaluator.dataset, evaluator.metric, evaluator.detect(model, batches)


def read_evaluation(session: Session, results: Path) -> tuple[Dataset, Metric, list[ImageDetections]]:
    """Reads the detections from a file in COCO's results format instead of running the model. Needs no images."""
    dataset, metric = load_truth(session, session.trained_classes() if session.settings.remap_classes else None)
    return dataset, metric, load_results(results, dataset.categories, dataset.image_ids)
