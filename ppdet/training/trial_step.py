"""Train steps on a synthetic batch, with parts of their own: for measurements that must leave a training as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import paddle

from ppdet.data import Batch
from ppdet.data.datasets import Category
from ppdet.distillation import build_distiller
from ppdet.modeling.criterion import AnyCriterion, at_least_one
from ppdet.runtime import distributed
from ppdet.session import Session
from ppdet.training.model import build_ema, build_scaler, build_training_model, training_network
from ppdet.training.step import Losses, begin_divisor, train_step
from ppdet.utils.streams import Stream, generator
from ppdet.weights.published_names import published_name

BOXES = 10  # per image, about as many as COCO has
_RATE = 1e-4  # of learning: too low for the losses to run away from random weights


class TrialStep:
    """Updates of a new model of the session's config from one synthetic batch, which is on the device already."""

    def __init__(
        self,
        session: Session,
        amp: str | None,
        batch: Batch,
        categories: Sequence[Category] = (),
        alone: bool = False,
    ) -> None:
        """Builds all that is trained.

        Args:
            session: the config. Weights are random, except for those of a teacher.
            amp: type of mixed precision; None: float32.
            batch: the batch of every step.
            categories: the classes, which a teacher must have as well.
            alone: the step is no collective: this rank neither waits for the others nor shares anything with them.
        """
        if alone:
            session = replace(session, settings=replace(session.settings, sync_bn=False, norm_type="bn"))
        model = build_training_model(session, None, ())
        model.train()
        builder = session.builder
        normalization = builder.build("TrainReader").normalization
        distiller = build_distiller(builder, model, normalization, categories, session.device)
        network = training_network(model, distiller, session.settings.to_static)
        self._forward = network if alone else distributed.parallel(network)
        self._criterion: AnyCriterion = distiller.criterion if distiller else model.criterion
        more = distiller.parameters if distiller else ()
        self._optimizer = builder.build("OptimizerBuilder")(_RATE, model, published_name, more)
        self._scaler, self._ema, self._amp = build_scaler(amp), build_ema(model, session.settings), amp
        self._batch, self._reduce = batch, at_least_one if alone else begin_divisor

    def __call__(self, epoch: int) -> Losses:
        """One update as in `epoch`, from 0, which can decide on the assigner. Does not wait for the device."""
        parts = (self._optimizer, self._scaler, self._amp)
        losses = train_step(self._forward, self._criterion, self._batch, epoch, *parts, reduce=self._reduce)
        if self._ema:
            self._ema.update()
        return losses


def synthetic_batch(count: int, size: tuple[int, int], num_classes: int, num_boxes: int = BOXES) -> Batch:
    """The same `count` random images of `size` (height, width) each time, with `num_boxes` boxes, on the device."""
    rng, (height, width) = generator(Stream.BENCH), size
    scale = np.array([width, height, width, height], np.float32)
    corner = rng.uniform(0, 0.6, (count, num_boxes, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.05, 0.4, corner.shape)], axis=-1) * scale
    parts = {
        "image": rng.standard_normal((count, 3, height, width), np.float32),
        "im_shape": np.tile(np.array([height, width], np.float32), (count, 1)),
        "scale_factor": np.ones((count, 2), np.float32),
        "gt_bbox": boxes.astype(np.float32),
        "gt_class": rng.integers(0, num_classes, (count, num_boxes, 1), np.int32),
        "pad_gt_mask": np.ones((count, num_boxes, 1), np.float32),
    }
    return Batch(im_id=np.arange(count), **{name: paddle.to_tensor(value) for name, value in parts.items()})
