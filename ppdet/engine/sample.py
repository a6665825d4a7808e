"""A few inputs to compare an exported model with the trained one."""

from __future__ import annotations

import logging

import numpy as np

from ppdet.core.errors import UserError
from ppdet.engine.run import Run

logger = logging.getLogger(__name__)


def sample_batch(run: Run, size: tuple[int, int], count: int = 2) -> list[np.ndarray]:
    """[image [count, 3, H, W], scale_factor [count, 2]] float32 for `size` (height, width; -1: any).

    The first images of EvalDataset, repeated where they are fewer; noise where it has none of that size.
    """
    try:
        dataset = run.builder.build(run.cfg["EvalDataset"], path="EvalDataset").load()
        dataset.records = dataset.records[:count]
        batch = next(iter(run.builder.build("EvalReader", batch_size=count, worker_num=0).bind(dataset).epoch(0)))
        if tuple(batch.image.shape[2:]) == size or min(size) < 0:
            arrays = batch.image.numpy(), batch.scale_factor.numpy()
            return [np.resize(array, (count, *array.shape[1:])) for array in arrays]
    except (UserError, KeyError) as error:
        logger.info("export check: EvalDataset gives no image (%s), using noise", error)
    shape = count, 3, *(side if side > 0 else 320 for side in size)
    noise = np.random.default_rng(0).standard_normal(shape).astype("float32")
    return [noise, np.ones((count, 2), "float32")]
