"""Which tensors and weights of a network are INT8, as data that a weights file can hold.

Convolutions are known by the names of their layers. Training changes the steps and the weights, and nothing else here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Activation:
    """The integers of a tensor [B, C, H, W].

    Attributes:
        step: the value of one step, before the channel's own scale.
        zero_point: the integer of the value 0.
        channel_scales: [C] float32.
        low: the smallest integer.
        high: the largest integer.
        trained: whether the step is trained.
    """

    step: float
    zero_point: int
    channel_scales: np.ndarray
    low: int
    high: int
    trained: bool = True


@dataclass(frozen=True, eq=False)
class Int8Conv:
    """A convolution in INT8.

    Attributes:
        input: the activation that it reads, an index of `Int8Layout.activations`.
        output: the activation that it writes; None: it writes floats.
        weight_steps: [O] float32, the value of one step of the weights times the input's channel scales.
        constant: its weight [O, I, kh, kw] float32 if that is not trained; None: the layer has it.
        gate: the activation that the hard swish behind it writes, if it is computed in integers; None: in float.
    """

    input: int
    output: int | None
    weight_steps: np.ndarray
    constant: np.ndarray | None = None
    gate: int | None = None


@dataclass(frozen=True, eq=False)
class Int8Layout:
    """The quantization of a network.

    Attributes:
        target: the runtime or device whose rules it keeps.
        activations: the tensors that convolutions read and write.
        convs: the convolutions in INT8 by the names of their layers.
    """

    target: str
    activations: tuple[Activation, ...]
    convs: Mapping[str, Int8Conv]

    def as_entry(self) -> dict[str, Any]:
        """Returns the layout as plain values and arrays, for a weights file."""
        return asdict(self)

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Int8Layout:
        """Returns the layout of what `as_entry` returned; raises KeyError, TypeError or ValueError for others."""
        activations = tuple(Activation(**each) for each in entry["activations"])
        convs = {name: Int8Conv(**each) for name, each in entry["convs"].items()}
        for conv in convs.values():
            used = conv.input, conv.output or 0, conv.gate or 0
            if not all(index in range(len(activations)) for index in used):
                raise ValueError(f"no activation {conv.input}, {conv.output} or {conv.gate}")
        return cls(str(entry["target"]), activations, convs)
