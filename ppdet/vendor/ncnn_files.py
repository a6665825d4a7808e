"""ncnn's files as data: a .param with a line for each layer, and a .bin with the weights in the same order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppdet.core.errors import UserError

_MAGIC = "7767517"
_INT8 = 0x000D4B38  # stands before a weight of integers; 0 stands before one of float32
# Options by kind: number of outputs, size of the weight, whether there is a bias.
_OPTIONS = {"Convolution": ("0", "6", "5"), "ConvolutionDepthWise": ("0", "6", "5"), "InnerProduct": ("0", "2", "1")}
_SIDES = ("0", "1", "11", "2")  # of a constant: width, height, depth, channels; those that it does not have are 0


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer.

    Attributes:
        kind: of the layer, as "Convolution".
        name: of the layer.
        inputs: the blobs that it reads.
        outputs: the blobs that it writes.
        options: their values by their numbers, as in the file.
        arrays: its part of the .bin, in order, each [n]. That of a convolution or an InnerProduct is weight, bias if
            there is one, and for INT8 the scales; the weight is float32 or int8, all others are float32.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, str]
    arrays: tuple[np.ndarray, ...] = ()

    @property
    def multiplies(self) -> bool:
        """Whether it is a convolution or an InnerProduct."""
        return self.kind in _OPTIONS


def read_layers(param: str, weights: bytes) -> list[Layer]:
    """Returns the layers of a net in float32; `param` and `weights` are the contents of its files.

    Raises:
        UserError: another kind of layer has weights, or they are no float32 numbers.
    """
    layers, start = [], 0
    for line in param.splitlines()[2:]:
        kind, name, given, made, *words = line.split()
        inputs, end = int(given), int(given) + int(made)
        options = dict(word.split("=", 1) for word in words[end:])
        arrays = []
        for count, has_flag in _sizes(kind, options):
            start += 4 * has_flag
            arrays.append(np.frombuffer(weights[start : start + 4 * count], "<f4"))
            start += 4 * count
        layers.append(Layer(kind, name, tuple(words[:inputs]), tuple(words[inputs:end]), options, tuple(arrays)))
    if start != len(weights):
        kinds = ", ".join(sorted({layer.kind for layer in layers}))
        raise UserError(
            f"ncnn: found {len(weights)} bytes of weights; expected {start} in float32, for layers of the kinds {kinds}"
        )
    return layers


def _sizes(kind: str, options: dict[str, str]) -> list[tuple[int, bool]]:
    """The number of float32 values of each array of a layer, and whether a flag stands before it."""
    if kind == "MemoryData":
        sides = [int(options.get(number, 0)) for number in _SIDES]
        return [(math.prod(side for side in sides if side), False)]
    if kind not in _OPTIONS:
        return []
    outputs, size, bias = (int(options.get(number, 0)) for number in _OPTIONS[kind])
    return [(size, True), (outputs, False)] if bias else [(size, True)]


def as_int8(layer: Layer, weight: np.ndarray, bias: np.ndarray, scales: np.ndarray, input_scale: float) -> Layer:
    """Returns a convolution or InnerProduct in INT8, which writes float32.

    Args:
        layer: the layer in float.
        weight: its integers, int8, in the order of the float weight.
        bias: [O] float32.
        scales: [O] float32, the value of one step of the weights.
        input_scale: the value of one step of the input.
    """
    options = {**layer.options, _OPTIONS[layer.kind][2]: "1", "8": "1"}
    factors = [np.asarray(1 / np.float64(each), np.float32).reshape(-1) for each in (scales, input_scale)]
    arrays = (weight.reshape(-1), bias, *factors)
    return Layer(layer.kind, layer.name, layer.inputs, layer.outputs, options, arrays)


def quantize_layer(source: str, target: str, steps: np.ndarray) -> Layer:
    """Returns a layer that makes integers of the blob `source` with a step [C] for each channel."""
    factors = np.asarray(1 / np.float64(steps), np.float32)
    return Layer("Quantize", target, (source,), (target,), {"0": str(len(steps))}, (factors,))


def write_layers(layers: Sequence[Layer]) -> tuple[str, bytes]:
    """Returns the contents of .param and .bin."""
    lines, parts = [_MAGIC, f"{len(layers)} {sum(len(layer.outputs) for layer in layers)}"], []
    for layer in layers:
        numbers = [str(len(layer.inputs)), str(len(layer.outputs))]
        options = [f"{number}={value}" for number, value in layer.options.items()]
        lines.append(" ".join([layer.kind, layer.name, *numbers, *layer.inputs, *layer.outputs, *options]))
        for i, array in enumerate(layer.arrays):
            if layer.multiplies and i == 0:
                parts.append((_INT8 if array.dtype == np.int8 else 0).to_bytes(4, "little"))
            parts.append(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
            parts.append(bytes(-array.nbytes % 4))
    return "\n".join(lines) + "\n", b"".join(parts)
