"""Images to compare an exported model with the trained one on."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.session import Session
from ppdet.utils.streams import Stream, generator

logger = logging.getLogger(__name__)

_ANY_SIZE = 320  # pixels, the side of noise images if the exported model takes any size


class SampleBatch(NamedTuple):
    """Inputs of a model.

    Attributes:
        image: [B, 3, H, W] float32, normalized.
        scale_factor: [B, 2] float32, (y, x).
        source: what the images are, to be read after their number, as in "2 images of EvalDataset".
    """

    image: np.ndarray
    scale_factor: np.ndarray
    source: str


def sample_batch(session: Session, size: tuple[int, int], count: int = 2) -> SampleBatch:
    """Returns the first `count` images of EvalDataset, prepared by TestReader, or noise if it has none.

    Fewer images than `count` are repeated. `size` (height, width; -1: any) is that of the noise.
    """
    try:
        image, scale_factor = _dataset_images(session, count)
        return SampleBatch(image, scale_factor, "images of EvalDataset")
    except UserError as error:
        logger.info("export check: EvalDataset gives no image (%s)", error)
    shape = count, 3, *(side if side > 0 else _ANY_SIZE for side in size)
    noise = generator(Stream.EXPORT_CHECK).standard_normal(shape).astype("float32")
    return SampleBatch(noise, np.ones((count, 2), "float32"), "images of noise, since EvalDataset gives none")


def _dataset_images(session: Session, count: int) -> list[np.ndarray]:
    """The image and scale_factor of `sample_batch`; raises UserError if EvalDataset cannot be read."""
    dataset = session.build_dataset("EvalDataset").load()
    dataset.records = dataset.records[:count]
    batch = next(iter(session.builder.build("TestReader", batch_size=count, worker_num=0).bind(dataset).epoch(0)))
    arrays = batch.image.numpy(), batch.scale_factor.numpy()
    return [np.resize(array, (count, *array.shape[1:])) for array in arrays]
