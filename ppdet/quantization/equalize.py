"""Brings the channels of a float model's activations to one size, for targets that have one scale for a tensor.

    model = equalized(network, plan, gate)      # an onnx.ModelProto that computes the same

Each channel of an activation is divided by its scale of the plan: the convolution before it has smaller weights, and
the convolutions behind it have larger ones. ReLU, pooling, resizing, concatenations, shuffles and products with a gate
on one pixel pass scales on. A hard swish does not: its output is multiplied ("mul"), or it is written as
z * clip(s * z / 6 + 1/2, 0, 1) ("clip"), so that its input is divided by s as well. With "relu6" it is
z * clip(6 * s * z + 3, 0, 6), and its input is divided by 6 * s: runtimes that compute a clipped convolution in one
step know that range. If something else reads that input as well, or no convolution writes it, it is written as with
"clip".
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ppdet.quantization.channels import Channels
from ppdet.quantization.network import Network, drop_unread_constants
from ppdet.quantization.plan import Gate, Plan, input_scales


def equalized(network: Network, plan: Plan, gate: Gate) -> Any:
    """Returns an onnx.ModelProto that computes what the network does, within rounding.

    Args:
        network: the float model, with images of a fixed size.
        plan: its quantization with channel scales, by the rules `channel_quantizers=True`.
        gate: how a hard swish is written.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    scales = equal_scales(network, plan, gate)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        conv = network.convs.get(node.name)
        if conv is not None:
            over = scales[conv.output]
            weight = conv.weight * input_scales(scales[conv.input], conv.weight.shape)
            parts = {"weight": weight / over.reshape(-1, 1, 1, 1), "bias": conv.bias / over}
            del node.input[1:]
            for name, value in parts.items():
                node.input.append(f"{node.name}/equal_{name}")
                tensors[node.input[-1]] = numpy_helper.from_array(value.astype(np.float32), node.input[-1])
        if node.op_type == "HardSwish":
            own: Gate = "clip" if gate == "relu6" and not _is_for_swish(network, node.input[0]) else gate
            nodes += _swish(node, scales[node.output[0]], own, tensors)
        else:
            nodes.append(node)
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(tensors.values())
    drop_unread_constants(model.graph)
    return model


def equal_scales(network: Network, plan: Plan, gate: Gate) -> dict[str, np.ndarray]:
    """Returns the [C] float32 that `equalized` divides the channels of a tensor by; takes what it takes.

    By name, of what convolutions read and write, and of what hard swishes write.
    """
    scales = _Scales(Channels(network.model, follow_swish=gate != "mul"), plan)
    swishes = [node.output[0] for node in network.model.graph.node if node.op_type == "HardSwish"]
    found = {name: scales.of(name) for name in swishes}
    for conv in network.convs.values():
        over = scales.of(conv.output, len(conv.weight))
        if gate == "relu6" and (over != 1).any() and _is_for_swish(network, conv.output):
            over = 6 * over
        found |= {conv.input: scales.of(conv.input, conv.channels), conv.output: over}
    return found


class _Scales:
    """The scale of each channel, the geometric mean of those of the convolutions' inputs that have it."""

    def __init__(self, channels: Channels, plan: Plan) -> None:
        self._channels = channels
        logs: dict[int, list[float]] = defaultdict(list)
        for name in {conv.input for conv in plan.convs.values()}:
            roots = channels.scalable(name)
            if roots is not None:
                for root, scale in zip(roots.tolist(), plan.tensors[name].channel_scales.tolist(), strict=True):
                    logs[root].append(float(np.log(scale)))
        self._of_root = {root: float(np.exp(np.mean(values))) for root, values in logs.items() if root >= 0}

    def of(self, name: str, count: int = 0) -> np.ndarray:
        """Returns the scales [C] float32 of a tensor; `count` ones if it has no channels of its own."""
        roots = self._channels.scalable(name)
        if roots is None:
            return np.ones(count, np.float32)
        return np.array([self._of_root.get(root, 1.0) for root in roots.tolist()], np.float32)


def _is_for_swish(network: Network, name: str) -> bool:
    """Whether a convolution writes a tensor, and a hard swish alone reads it."""
    maker, readers = network.makers.get(name), network.readers.get(name, ())
    return maker is not None and maker.name in network.convs and [each.op_type for each in readers] == ["HardSwish"]


def _swish(node: Any, scales: np.ndarray, gate: Gate, tensors: dict[str, Any]) -> list[Any]:
    """Returns the nodes of a hard swish whose output is divided by `scales` [C].

    With "clip", its input is divided by them as well, and with "relu6" by 6 times as much.
    """
    from onnx import helper, numpy_helper

    if (scales == 1).all():
        return [node]
    (source,), (target,) = node.input, node.output

    def constant(value: np.ndarray | float, name: str) -> str:
        tensors[f"{target}/{name}"] = numpy_helper.from_array(np.asarray(value, np.float32), f"{target}/{name}")
        return f"{target}/{name}"

    if gate == "mul":
        inverse = constant((1 / scales).reshape(1, -1, 1, 1), "factors")
        swish = helper.make_node("HardSwish", [source], [f"{target}/swish"], node.name)
        return [swish, helper.make_node("Mul", [f"{target}/swish", inverse], [target], f"{target}/equal")]
    factors, top = (6 * scales, 6) if gate == "relu6" else (scales / 6, 1)
    slope, half = constant(factors.reshape(-1, 1, 1, 1), "slope"), constant(np.full(len(scales), top / 2), "half")
    linear, clipped = f"{target}/linear", f"{target}/clipped"
    return [
        helper.make_node("Conv", [source, slope, half], [linear], linear, group=len(scales), kernel_shape=[1, 1]),
        helper.make_node("Clip", [linear, constant(0, "bottom"), constant(top, "top")], [clipped], f"{target}/gate"),
        helper.make_node("Mul", [source, clipped], [target], node.name),
    ]
