"""The quantization of a network as data: which integers stand for which values, in each tensor and convolution.

A plan belongs to one float ONNX model. `min_max.py` makes a plain one, `qdq.py` writes a model by it, and training may
change it: everything else about INT8 starts from this page.

A convolution reads integers and has integer weights. One scale for a whole tensor wastes most integers if its channels
differ in size, so a tensor also has a scale for each channel:

    q = clip(round(x[c] / (scale * channel_scales[c])) + zero_point)
    x[c] = (q - zero_point) * scale * channel_scales[c]

The kernels that multiply integers know one scale for their input. Therefore the convolution takes
(q - zero_point) * scale, which is x[c] / channel_scales[c], and its weights are those of w[o, c] * channel_scales[c].
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

Gate = Literal["mul", "clip", "relu6"]
LARGEST_BIAS = 2**30  # in steps; the kernels add the products to it in 32 bits


@dataclass(frozen=True)
class Rules:
    """What the INT8 kernels of a runtime or a device demand.

    Attributes:
        symmetric: activations are signed and their zero point is 0; otherwise they are unsigned with any zero point.
        channel_quantizers: an activation may be quantized with a scale per channel; otherwise `equalize.py` divides
            the channels of the float model itself by the channel scales of the plan, and what is written has none.
        channel_weights: weights have a scale per output channel; otherwise one scale.
        outputs: what a convolution writes is quantized as well, because its kernel writes integers.
        integer_gates: a hard swish between convolutions is computed in integers (`integer_gates.py`), for which its
            input has its channel scales.
        gate: how `equalize.py` writes a hard swish whose output channels it scales: "mul" multiplies behind it,
            "clip" writes it as z * clip(s * z / 6 + 1/2, 0, 1), "relu6" so that the bounds are 0 and 6.
    """

    symmetric: bool = False
    channel_quantizers: bool = True
    channel_weights: bool = True
    outputs: bool = True
    integer_gates: bool = False
    gate: Gate = "mul"


@dataclass(frozen=True, eq=False)
class Quantizer:
    """The integers of an activation [N, C, ...].

    Attributes:
        scale: the value of one step, before the channel's own scale.
        zero_point: the integer of the value 0.
        channel_scales: [C] float32.
        signed: whether the integers are -128..127; otherwise they are 0..255.
    """

    scale: float
    zero_point: int
    channel_scales: np.ndarray
    signed: bool

    @classmethod
    def of_range(cls, low: float, high: float, channel_scales: np.ndarray, *, symmetric: bool) -> Quantizer:
        """Returns the quantizer whose integers reach from `low` to `high`, in units of the channel scales."""
        low, high = min(low, 0.0), max(high, 0.0)
        scales = np.asarray(channel_scales, np.float32)
        if symmetric:
            return cls(_positive(max(-low, high) / 127), 0, scales, signed=True)
        step = _positive((high - low) / 255)
        return cls(step, min(max(round(-low / step), 0), 255), scales, signed=False)

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest integer."""
        return (-128, 127) if self.signed else (0, 255)

    @property
    def steps(self) -> np.ndarray:
        """The value of one step in each channel, [C] float32."""
        steps: np.ndarray = np.float32(self.scale) * self.channel_scales
        return steps

    @property
    def is_even(self) -> bool:
        """True if all channels have the same scale."""
        return len(set(self.channel_scales.tolist())) == 1

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """Returns the integers, int32, of float `values` [N, C, ...]."""
        integers = np.rint(values / self._per_channel(values)) + self.zero_point
        return np.asarray(np.clip(integers, *self.limits), np.int32)

    def fake(self, values: np.ndarray) -> np.ndarray:
        """Returns float32 `values` [N, C, ...] as they are after quantization."""
        return np.asarray((self.quantize(values) - self.zero_point) * self._per_channel(values), np.float32)

    def _per_channel(self, values: np.ndarray) -> np.ndarray:
        return self.steps.reshape(-1, *[1] * (values.ndim - 2))


@dataclass(frozen=True, eq=False)
class ConvPlan:
    """A convolution in INT8.

    Attributes:
        input: the tensor that it reads; its quantizer is in the plan.
        output: the tensor that it writes; it may have a quantizer.
        weight: [O, I / groups, kh, kw] int8; times `weight_scales` they are float weights times the input's channel
            scales.
        weight_scales: [O] float32.
        bias: [O] float32, after any correction.
    """

    input: str
    output: str
    weight: np.ndarray
    weight_scales: np.ndarray
    bias: np.ndarray

    @property
    def scaled_weight(self) -> np.ndarray:
        """The weight [O, I / groups, kh, kw] float32 that multiplies the input in units of its channel scales."""
        return np.asarray(self.weight * self.weight_scales.reshape(-1, 1, 1, 1), np.float32)

    def float_weight(self, channel_scales: np.ndarray) -> np.ndarray:
        """Returns the weight [O, I / groups, kh, kw] float32 that multiplies the input itself."""
        return np.asarray(self.scaled_weight / input_scales(channel_scales, self.weight.shape), np.float32)


@dataclass(frozen=True, eq=False)
class Plan:
    """The quantization of a model.

    Attributes:
        rules: those of the target.
        tensors: the quantizers of what the convolutions of the plan read and, if the rules say so, write. By name.
        convs: the convolutions in INT8, in the graph's order, by the names of their nodes.
    """

    rules: Rules
    tensors: Mapping[str, Quantizer]
    convs: Mapping[str, ConvPlan]

    def only(self, names: Collection[str]) -> Plan:
        """Returns the plan with some of the convolutions; the others stay in float."""
        convs = {name: conv for name, conv in self.convs.items() if name in names}
        used = {conv.input for conv in convs.values()}
        if self.rules.outputs:
            used |= {conv.output for conv in convs.values()}
        return replace(self, tensors={name: q for name, q in self.tensors.items() if name in used}, convs=convs)


def input_scales(channel_scales: np.ndarray, weight_shape: tuple[int, ...]) -> np.ndarray:
    """Returns the channel scales [C] of a convolution's input in the order of its weight.

    The result broadcasts with the weight [O, I / groups, kh, kw]: it is [1 or O, I / groups, 1, 1].
    """
    outputs, per_group = weight_shape[:2]
    groups = len(channel_scales) // per_group
    of_groups = np.asarray(channel_scales, np.float32).reshape(groups, per_group)
    return np.repeat(of_groups, outputs // groups if groups > 1 else 1, axis=0)[:, :, None, None]


def rounded_weight(scaled: np.ndarray, smallest: np.ndarray, *, per_channel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns a weight in integers, rounded to the nearest.

    Args:
        scaled: [O, ...] float32.
        smallest: [O] float32, the lower bounds of the scales.
        per_channel: use a scale for each output channel; otherwise one for all.

    Returns:
        The integers [O, ...] int8 and their scales [O] float32.
    """
    largest = np.abs(scaled).max(axis=tuple(range(1, scaled.ndim))) / 127
    scales = np.maximum(largest, smallest).astype(np.float32)
    if not per_channel:
        scales = np.full_like(scales, scales.max())
    steps = scales.reshape(-1, *[1] * (scaled.ndim - 1))
    return np.clip(np.rint(scaled / steps), -127, 127).astype(np.int8), scales


def _positive(step: float) -> float:
    """Returns the step as float32 holds it, of any size if all values are 0."""
    return float(np.float32(step)) if step > np.finfo(np.float32).tiny else 1.0
