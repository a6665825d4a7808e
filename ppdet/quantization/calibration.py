"""The images that calibrate and score a model, as its inputs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data import Batch
from ppdet.data.datasets import Dataset
from ppdet.data.transforms.sample_transforms import NormalizeImage
from ppdet.export.fold_normalize import normalize_step, to_pixels
from ppdet.export.runners import Feed
from ppdet.session import Session
from ppdet.utils.streams import Stream, generator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """Makes a model's inputs of a reader's batches.

    batch_size  images that the model takes at a time
    size        (height, width) in pixels that it takes
    names       of its inputs
    normalize   how the reader normalised, where the model does that itself; None: it takes normalised images
    dtype       of the image: float32, or uint8 for pixels
    """

    batch_size: int
    size: tuple[int, int]
    names: Sequence[str]
    normalize: NormalizeImage | None
    dtype: str

    @classmethod
    def of(cls, session: Session, model: Any) -> Inputs:
        """Those of an onnx.ModelProto that was exported with the run's settings."""
        export = session.settings.export
        height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:])
        steps = session.builder.build("TestReader").sample_transforms if export.fuse_normalize else []
        names = [value.name for value in model.graph.input]
        return cls(max(1, export.batch_size), (height, width), names, normalize_step(steps), export.input_dtype)

    def feeds(self, batches: Iterable[Batch]) -> Iterator[tuple[Feed, list[int], np.ndarray]]:
        """(feed, im_ids of its images, their scale_factor [n, 2]); a last feed that is short repeats its last image."""
        for batch in batches:
            image, scale_factor, im_ids = batch.image.numpy(), batch.scale_factor.numpy(), batch.im_id.numpy().tolist()
            if image.shape[2:] != self.size:
                found, expected = (" x ".join(map(str, size)) for size in (image.shape[2:], self.size))
                raise UserError(f"EvalReader: gives images of {found} pixels, but the exported model takes {expected}; "
                                "set EvalReader's and TestReader's Resize to the same target_size")  # fmt: skip
            if self.normalize is not None:
                image = to_pixels(image, self.normalize)
            for start in range(0, len(im_ids), self.batch_size):
                rows = np.minimum(np.arange(start, start + self.batch_size), len(im_ids) - 1)
                feed = {"image": image[rows].astype(self.dtype), "scale_factor": scale_factor[rows]}
                kept = slice(start, start + self.batch_size)
                yield {name: feed[name] for name in self.names}, im_ids[kept], scale_factor[kept]


def calibration_set(session: Session, count: int) -> Dataset:
    """`count` images of TrainDataset (all where it has fewer), chosen by the run's seed.

    Raises:
        UserError: the dataset cannot be read.
    """
    with _naming_train_dataset():
        dataset = session.load_dataset("TrainDataset")
    order = generator(Stream.CALIBRATION, session.settings.seed or 0).permutation(len(dataset))[:count]
    if len(order) < count:
        logger.info("calibration: %d images asked for, TrainDataset has %d", count, len(order))
    dataset.records = [dataset.records[index] for index in order]
    return dataset


def calibration_feeds(session: Session, dataset: Dataset, inputs: Inputs) -> list[Feed]:
    """All images of the dataset, prepared as for evaluation: nothing random.

    Raises:
        UserError: an image cannot be read, or has another size than the model takes.
    """
    reader = session.builder.build("EvalReader", batch_size=inputs.batch_size, worker_num=0)
    with _naming_train_dataset():
        return [feed for feed, _, _ in inputs.feeds(reader.bind(dataset).epoch(0))]


@contextmanager
def _naming_train_dataset() -> Iterator[None]:
    """Errors about a file say what it was read for."""
    try:
        yield
    except UserError as error:
        if str(error).startswith(("TrainDataset", "EvalReader")):
            raise
        raise UserError(f"TrainDataset: gives no images to calibrate with ({error})") from error
