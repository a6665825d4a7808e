"""Losses and times of a training run between two log lines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import paddle

from ppdet.core.errors import UserError


def duration(seconds: float) -> str:
    """`seconds` as text: 1:02:03, or 1d 2:03:04."""
    days, rest = divmod(int(seconds), 86400)
    text = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}d {text}" if days else text


class LossError(UserError):
    """A loss that is not finite, of update number `update`."""

    def __init__(self, message: str, update: int) -> None:
        super().__init__(message)
        self.update = update


@dataclass
class Meter:
    """Losses and times of the steps since the last log line.

    Losses stay on the device until `read`, so that no step waits for the one before it.
    """

    losses: list[dict[str, paddle.Tensor]] = field(default_factory=list)
    image_ids: list[np.ndarray] = field(default_factory=list)
    data_seconds: float = 0.0
    images: int = 0
    start: float = field(default_factory=time.perf_counter)

    def add(self, losses: dict[str, paddle.Tensor], im_id: np.ndarray, data_seconds: float) -> None:
        """Adds one step: its losses (scalars), the ids [B] of its images, and how long it waited for data."""
        self.losses.append({name: loss.detach() for name, loss in losses.items()})
        self.image_ids.append(im_id)
        self.data_seconds += data_seconds
        self.images += len(im_id)

    def read(self, last_update: int, name: Callable[[int], str] = str) -> dict[str, float]:
        """Mean losses and times. The losses are read at once; only here the host waits for the device.

        Args:
            last_update: number of the newest step.
            name: returns the file of an image, for the error.

        Raises:
            LossError: if a loss is not finite; names the first such step and its images.
        """
        steps = len(self.losses)
        rows = paddle.stack([loss for step in self.losses for loss in step.values()]).numpy().reshape(steps, -1)
        table = dict(zip(self.losses[0], rows.T.astype(float), strict=True))
        bad = np.flatnonzero(~np.isfinite(table["loss"]))
        if bad.size:
            first = int(bad[0])
            images = ", ".join(map(name, self.image_ids[first].tolist()))
            update = last_update - (steps - 1 - first)
            raise LossError(
                f"loss: became {table['loss'][first]} at step {update}, images {images}; lower LearningRate.base_lr, "
                "lengthen the warm-up or check these images' boxes; the last checkpoint is kept",
                update,
            )
        seconds = time.perf_counter() - self.start
        return {name: float(values.mean()) for name, values in table.items()} | {
            "data_seconds": self.data_seconds / steps,
            "step_seconds": seconds / steps,
            "images_per_second": self.images / seconds,
        }


def describe(numbers: dict[str, float], epochs: int, steps_per_epoch: int) -> str:
    """The log line of one interval."""
    losses = " ".join(f"{name} {value:.4f}" for name, value in numbers.items() if name.startswith("loss"))
    eta = duration(math.ceil(numbers["eta_seconds"]))
    return (
        f"epoch {numbers['epoch']}/{epochs} step {numbers['step']}/{steps_per_epoch} {losses} lr {numbers['lr']:.6f} "
        f"{numbers['images_per_second']:.1f} images/s data {numbers['data_seconds']:.3f} s "
        f"step {numbers['step_seconds']:.3f} s memory {numbers['memory_mb']:.0f} MB eta {eta}"
    )
