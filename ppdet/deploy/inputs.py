"""The inputs that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .backends.base import Feed, Port
from .errors import DeployError
from .preprocess import Prepared


class Inputs(NamedTuple):
    """A model's inputs.

    Attributes:
        ports: each by the field of `Prepared` that it takes: image, and perhaps scale_factor and im_shape.
        batch: the number of images that the model takes; None: any.
    """

    ports: dict[str, Port]
    batch: int | None

    def feeds(self, prepared: Prepared) -> Feed:
        """The fields of `prepared` by the names of the inputs, as many images as the model takes."""
        return {port.name: self.pad(getattr(prepared, field)) for field, port in self.ports.items()}

    def pad(self, batch: np.ndarray) -> np.ndarray:
        """`batch` repeated up to the model's fixed batch size, if it has one."""
        return np.resize(batch, (self.batch, *batch.shape[1:])) if self.batch and len(batch) < self.batch else batch


def find_inputs(ports: Sequence[Port], file: Path) -> Inputs:
    """Tells the inputs from each other by their shapes. Raises DeployError if they are not those of a PicoDet."""
    images = [port for port in ports if len(port.shape) == 4 and port.shape[1] in (3, None)]
    pairs = [port for port in ports if len(port.shape) == 2 and port.shape[1] in (2, None)]
    shapes = [port for port in pairs if port.name == "im_shape"]
    factors = [port for port in pairs if port.name != "im_shape"]
    if len(images) != 1 or max(len(factors), len(shapes)) > 1 or len(ports) != len(images) + len(pairs):
        found = ", ".join(f"{port.name} {['?' if side is None else side for side in port.shape]}" for port in ports)
        raise DeployError(
            f"{file}: takes {found or 'no inputs'}; expected an image [B, 3, H, W] and perhaps scale_factor, im_shape "
            "[B, 2]: not a PicoDet"
        )
    found_ports = {"image": images, "scale_factor": factors, "im_shape": shapes}
    by_field = {name: each[0] for name, each in found_ports.items() if each}
    return Inputs(by_field, next((port.shape[0] for port in by_field.values() if port.shape[0]), None))
