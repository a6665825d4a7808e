"""A few inputs to compare an exported model with the trained one."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.session import Session
from ppdet.utils.streams import Stream, generator

logger = logging.getLogger(__name__)


class SampleBatch(NamedTuple):
    """image [B, 3, H, W], scale_factor [B, 2] (y, x), both float32; source: what they are, as in "3 ..."."""

    image: np.ndarray
    scale_factor: np.ndarray
    source: str


def sample_batch(session: Session, size: tuple[int, int], count: int = 2) -> SampleBatch:
    """The first `count` images of EvalDataset as TestReader prepares them, repeated where they are fewer.

    Noise where there are none; size: (height, width; -1: any).
    """
    try:
        dataset = session.builder.build(session.cfg["EvalDataset"], key="EvalDataset").load()
        dataset.records = dataset.records[:count]
        batch = next(iter(session.builder.build("TestReader", batch_size=count, worker_num=0).bind(dataset).epoch(0)))
        arrays = batch.image.numpy(), batch.scale_factor.numpy()
        return SampleBatch(*(np.resize(array, (count, *array.shape[1:])) for array in arrays), "images of EvalDataset")
    except (UserError, KeyError) as error:
        logger.info("export check: EvalDataset gives no image (%s)", error)
    shape = count, 3, *(side if side > 0 else 320 for side in size)
    noise = generator(Stream.EXPORT_CHECK).standard_normal(shape).astype("float32")
    return SampleBatch(noise, np.ones((count, 2), "float32"), "images of noise, since EvalDataset gives none")
