"""Images to calibrate a model with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.deploy.backends.base import Feed
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.quantization.network import Network
from ppdet.quantization.ranges import observed
from ppdet.session import Session
from ppdet.utils.streams import Stream, generator
from ppdet.weights.trained_classes import TrainedClasses

logger = logging.getLogger(__name__)

_SEEN = 0.3  # score from which an image counts as one that the model finds something on
_FEW = 0.1  # of the images


def calibration_set(session: Session, count: int, trained: TrainedClasses | None = None) -> Dataset:
    """Returns `count` images of TrainDataset, or all if it has fewer, chosen by the run's seed.

    Raises:
        UserError: the dataset cannot be read, or its classes are not the `trained` ones.
    """
    with _naming_train_dataset():
        dataset = session.load_dataset("TrainDataset", trained)
    order = generator(Stream.CALIBRATION, session.settings.seed or 0).permutation(len(dataset))[:count]
    if len(order) < count:
        logger.info("calibration: %d images asked for, TrainDataset has %d", count, len(order))
    dataset.records = [dataset.records[index] for index in order]
    return dataset


def calibration_feeds(session: Session, dataset: Dataset, builder: FeedBuilder) -> list[Feed]:
    """Returns all images of the dataset as inputs, prepared as for evaluation: nothing is random.

    Raises:
        UserError: an image cannot be read, or has another size than the model takes.
    """
    reader = session.builder.build("EvalReader", batch_size=builder.batch_size, worker_num=0)
    with _naming_train_dataset():
        return [feed for feed, _, _ in builder.feeds(reader.bind(dataset).epoch(0))]


def require_variety(feeds: Sequence[Feed]) -> None:
    """Raise UserError if the images show no ranges of values: each has one color, or all are the same."""
    images = [image for feed in feeds for image in feed["image"]]
    plain = sum(bool((image == image[:, :1, :1]).all()) for image in images)
    if plain == len(images):
        found = f"{len(images)} images of a single color each"
    elif len(images) > 2 and all(np.array_equal(image, images[0]) for image in images[1:]):
        found = f"the same image {len(images)} times"
    else:
        if plain:
            logger.warning("TrainDataset: %d of %d calibration images have a single color", plain, len(images))
        return
    raise UserError(f"TrainDataset: found {found}; expected pictures as the model will see, to measure the ranges on")


def warn_of_strange_images(network: Network, feeds: Sequence[Feed], threads: int) -> None:
    """Log a warning if the float model finds next to nothing: the images are not what it was trained for.

    Args:
        network: the float model; it has the tensor `scores` [B, C, L], or ends with the scores of levels and then, as
            many, their box distributions.
        feeds: the calibration images.
        threads: number of threads that run the model.
    """
    outputs = [output.name for output in network.model.graph.output]
    names = ["scores"] if "scores" in network.makers else outputs[: len(outputs) // 2]
    best = [
        max(level.max() for level in levels)
        for values in observed(network.model, names, feeds, threads)
        for levels in zip(*values.values(), strict=True)
    ]
    seen = sum(bool(score >= _SEEN) for score in best)
    if seen < _FEW * len(best):
        logger.warning(
            "TrainDataset: the float model finds something (a score of %g or more) on %d of %d calibration images; "
            "INT8 needs pictures as the model will see, and a trained model",
            _SEEN,
            seen,
            len(best),
        )


@contextmanager
def _naming_train_dataset() -> Iterator[None]:
    """Add to an error about a file what the file was read for."""
    try:
        yield
    except UserError as error:
        if str(error).startswith(("TrainDataset", "EvalReader")):
            raise
        raise UserError(f"TrainDataset: gives no images to calibrate with ({error})") from error
