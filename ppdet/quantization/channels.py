"""Which channels of a graph's tensors have to keep one scale: those that pass from tensor to tensor unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# operators whose output is k times as large if the input is, for k > 0, channel by channel
_HOMOGENEOUS = {
    *("Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize"),
    *("Identity", "Dropout", "Reshape", "Transpose", "Slice", "Split", "Concat"),
}


class Channels:
    """The channels of all tensors of an ONNX graph, followed from where a convolution or another operator makes them.

    Args:
        model: an onnx.ModelProto with fixed sizes of images.
        follow_swish: a hard swish passes its channels on. Otherwise its outputs are new channels.
    """

    def __init__(self, model: Any, *, follow_swish: bool) -> None:
        import onnx
        from onnx import numpy_helper

        inferred = onnx.shape_inference.infer_shapes(model)
        values = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
        self._shapes = {
            value.name: [max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim] for value in values
        }
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._follow_swish = follow_swish
        self._same: list[int] = []  # the parent of each channel: those of one root have the same scale
        self._fixed: set[int] = set()  # channels whose values have to stay
        self._labels: dict[str, np.ndarray] = {}  # the channel of each element of a tensor
        for value in model.graph.input:
            self._fix(self._new(value.name))
        for node in model.graph.node:
            self._visit(node)
        for value in model.graph.output:
            self._fix(self._labels[value.name])
        self._fixed = {self._root(channel) for channel in self._fixed}

    def scalable(self, name: str) -> np.ndarray | None:
        """Returns the channels [C] of a tensor [N, C, H, W], -1 for those that have to stay; None: it has none."""
        labels = self._labels.get(name)
        if labels is None or labels.ndim != 4 or (labels != labels[:, :, :1, :1]).any():
            return None
        roots = [self._root(channel) for channel in labels[0, :, 0, 0].tolist()]
        return np.array([-1 if root in self._fixed else root for root in roots])

    def _visit(self, node: Any) -> None:
        if node.op_type == "Conv":
            self._new(node.output[0])
        elif node.op_type in _HOMOGENEOUS or (node.op_type == "HardSwish" and self._follow_swish):
            self._pass_on(node)
        elif node.op_type in ("Add", "Mul") and all(name in self._labels for name in node.input):
            self._combine(node)
        else:
            self._end(node)

    def _end(self, node: Any) -> None:
        """An operator that needs the values themselves, and makes new ones; those of a hard swish may be scaled."""
        for name in node.input:
            if name in self._labels:
                self._fix(self._labels[name])
        for name in node.output:
            labels = self._new(name)
            if node.op_type != "HardSwish":
                self._fix(labels)

    def _pass_on(self, node: Any) -> None:
        given = [self._labels[name] for name in node.input if name in self._labels]
        if not given or any(name not in self._shapes for name in node.output):
            self._end(node)
        elif node.op_type == "Split":
            axis = _attribute(node, "axis", 0)
            ends = np.cumsum([self._shapes[name][axis] for name in node.output])[:-1]
            self._labels |= zip(node.output, np.split(given[0], ends, axis), strict=True)
        elif node.op_type == "Concat" and len(given) < len(node.input):
            self._end(node)
        else:
            (name,) = node.output[:1]
            moved = _MOVES.get(node.op_type, _spread)(self, node, given)
            self._labels[name] = moved

    def _combine(self, node: Any) -> None:
        """A sum ties the channels of its terms. A product has the channels of the map; those of the gate stay."""
        a, b = (self._labels[name] for name in node.input)
        if node.op_type == "Add" and a.shape == b.shape:
            for one, other in set(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)):
                self._same[self._root(one)] = self._root(other)
            self._labels[node.output[0]] = a
        elif node.op_type == "Mul" and a.ndim == b.ndim == 4 and 1 in (a[0, 0].size, b[0, 0].size):
            feature, gate = (a, b) if b[0, 0].size == 1 else (b, a)
            self._fix(gate)
            self._labels[node.output[0]] = feature
        else:
            self._end(node)

    def _new(self, name: str) -> np.ndarray:
        shape = self._shapes.get(name, [1])
        count, axis = (shape[1], 1) if len(shape) > 1 else (1, 0)
        numbers = np.arange(len(self._same), len(self._same) + count)
        self._same += numbers.tolist()
        by_channel = numbers.reshape([-1 if each == axis else 1 for each in range(len(shape))])
        self._labels[name] = np.broadcast_to(by_channel, [1, *shape[1:]] if len(shape) > 1 else [1])
        return self._labels[name]

    def _fix(self, labels: np.ndarray) -> None:
        self._fixed |= set(np.unique(labels).tolist())

    def _root(self, channel: int) -> int:
        while self._same[channel] != channel:
            channel = self._same[channel]
        return channel

    def shape(self, name: str) -> list[int]:
        """Returns the shape of a tensor for one image."""
        return [1, *self._shapes[name][1:]]

    def constant(self, name: str) -> list[int]:
        """Returns the numbers of a constant."""
        return np.ravel(self._constants[name]).tolist()


def _spread(channels: Channels, node: Any, given: list[np.ndarray]) -> np.ndarray:
    """The same channels on a map of another size."""
    return np.broadcast_to(given[0][:, :, :1, :1], channels.shape(node.output[0]))


def _reshape(channels: Channels, node: Any, given: list[np.ndarray]) -> np.ndarray:
    return given[0].reshape(channels.shape(node.output[0]))


def _transpose(channels: Channels, node: Any, given: list[np.ndarray]) -> np.ndarray:
    return given[0].transpose(_attribute(node, "perm", None))


def _concat(channels: Channels, node: Any, given: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(given, _attribute(node, "axis", 0))


def _slice(channels: Channels, node: Any, given: list[np.ndarray]) -> np.ndarray:
    starts, ends, *more = (channels.constant(name) for name in node.input[1:])
    axes = more[0] if more else list(range(len(starts)))
    steps = more[1] if len(more) > 1 else [1] * len(starts)
    cut = [slice(None)] * given[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return given[0][tuple(cut)]


_MOVES: dict[str, Callable[[Channels, Any, list[np.ndarray]], np.ndarray]] = {
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Concat": _concat,
    "Slice": _slice,
}


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)
