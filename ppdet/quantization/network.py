"""A float ONNX graph as quantization reads it: convolutions with their weights, and who reads what."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution of the graph.

    Attributes:
        name: of its node.
        input: the tensor that it reads.
        output: the tensor that it writes.
        weight: [O, I / groups, kh, kw] float32.
        bias: [O] float32; zeros if it has none.
        groups: number of groups.
        attributes: strides, pads, dilations, by name.
    """

    name: str
    input: str
    output: str
    weight: np.ndarray
    bias: np.ndarray
    groups: int
    attributes: dict[str, list[int]]

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        return int(self.weight.shape[1]) * self.groups

    @property
    def is_depthwise(self) -> bool:
        """Whether each output channel reads a channel of its own."""
        return self.groups == len(self.weight) > 1


@dataclass(frozen=True, eq=False)
class Network:
    """An onnx.ModelProto with its convolutions.

    Attributes:
        model: the model.
        convs: the convolutions with constant weights, in the graph's order, by name.
        makers: the node that writes a tensor, by the tensor's name.
        readers: the nodes that read a tensor, by the tensor's name.
        constants: the values of initializers, by name.
    """

    model: Any
    convs: dict[str, Conv]
    makers: dict[str, Any]
    readers: dict[str, list[Any]]
    constants: dict[str, np.ndarray]

    @classmethod
    def of(cls, model: Any) -> Network:
        """Returns the view of an onnx.ModelProto, which has to name its nodes."""
        from onnx import numpy_helper

        constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        convs = {
            node.name: _conv(node, constants)
            for node in model.graph.node
            if node.op_type == "Conv" and node.input[1] in constants
        }
        makers = {name: node for node in model.graph.node for name in node.output}
        return cls(model, convs, makers, readers(model.graph), constants)


def readers(graph: Any) -> dict[str, list[Any]]:
    """Returns the nodes that read a tensor, in the graph's order, by the tensor's name."""
    found: dict[str, list[Any]] = defaultdict(list)
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            found[name].append(node)
    return dict(found)


def drop_unread_constants(graph: Any) -> None:
    """Remove the initializers that nothing reads, as weights that were replaced."""
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _conv(node: Any, constants: dict[str, np.ndarray]) -> Conv:
    from onnx import helper

    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    weight = constants[node.input[1]].astype(np.float32)
    bias = constants[node.input[2]].astype(np.float32) if len(node.input) > 2 else np.zeros(len(weight), np.float32)
    kept = {name: list(value) for name, value in attributes.items() if name in ("strides", "pads", "dilations")}
    return Conv(node.name, node.input[0], node.output[0], weight, bias, attributes.get("group", 1), kept)
