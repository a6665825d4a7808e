"""Ranges of what convolutions read and write, channel by channel, over calibration images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ppdet.deploy.backends.base import Feed
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.quantization.network import Network

_MARGIN = 0.25  # of the distance from the mean of the images to the extreme one
_ZERO_BELOW = {"HardSwish": -3, "Relu": 0}


class ChannelRange(NamedTuple):
    """The smallest and the largest value of each channel of a tensor, both [C] float32."""

    low: np.ndarray
    high: np.ndarray

    def __or__(self, other: ChannelRange) -> ChannelRange:
        """Returns the range that holds both."""
        return ChannelRange(np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def channel_ranges(network: Network, feeds: Sequence[Feed], threads: int) -> dict[str, ChannelRange]:
    """Returns the ranges of all that the convolutions read and write over all `feeds`, which `threads` threads run."""
    names = list(dict.fromkeys(name for conv in network.convs.values() for name in (conv.input, conv.output)))
    found: dict[str, ChannelRange] = {}
    for values in observed(network.model, names, feeds, threads):
        for name, value in values.items():
            found[name] = found[name] | range_of(value) if name in found else range_of(value)
    return {name: without_dead_part(network, name, each) for name, each in found.items()}


def widened(seen: Sequence[ChannelRange]) -> ChannelRange:
    """Returns a range for other images than those that gave the ranges `seen`, one for each feed.

    Some of them will exceed all that was seen, by the more the more the images differ: what is cut off costs more
    than somewhat larger steps.
    """
    low, high = np.stack([each.low for each in seen]), np.stack([each.high for each in seen])
    smallest, largest = low.min(axis=0), high.max(axis=0)
    further = smallest - low.mean(axis=0), largest - high.mean(axis=0)
    ends = smallest + _MARGIN * further[0], largest + _MARGIN * further[1]
    return ChannelRange(*(np.asarray(each, np.float32) for each in ends))


def range_of(values: np.ndarray) -> ChannelRange:
    """Returns the range of `values` [N, C, ...]."""
    axes = (0, *range(2, values.ndim))
    return ChannelRange(values.min(axis=axes), values.max(axis=axes))


def without_dead_part(network: Network, name: str, channels: ChannelRange) -> ChannelRange:
    """Returns the range of a tensor without what its readers do not tell apart.

    A hard swish is 0 below -3, ReLU below 0, and Clip has its bounds. Often most of the range lies beyond them.
    """
    nodes = network.readers.get(name, [])
    closed = _closed_below(network, nodes)
    if closed is not None:
        return ChannelRange(np.maximum(channels.low, closed), np.maximum(channels.high, closed))
    if not nodes or len({(node.op_type, *node.input[1:]) for node in nodes}) > 1:
        return channels
    low, high = -np.inf, np.inf
    if nodes[0].op_type in _ZERO_BELOW:
        low = _ZERO_BELOW[nodes[0].op_type]
    elif nodes[0].op_type == "Clip" and sum(bound in network.constants for bound in nodes[0].input) == 2:
        low, high = (float(network.constants[bound]) for bound in nodes[0].input[1:3])
    return ChannelRange(*(np.asarray(np.clip(each, low, high), np.float32) for each in channels))


def _closed_below(network: Network, nodes: Sequence[Any]) -> np.ndarray | None:
    """Returns the value [C] below which each channel of a tensor is multiplied by 0, None if it is not known.

    That is the case if the nodes that read the tensor z are those of z * clip(slope * z + offset, 0, ...), with which
    `equalize.py` writes a hard swish.
    """
    kinds = {node.op_type: node for node in nodes}
    conv = network.convs.get(kinds["Conv"].name) if kinds.keys() == {"Conv", "Mul"} and len(nodes) == 2 else None
    clips = network.readers.get(conv.output, []) if conv is not None else []
    if conv is None or conv.weight[0].size != 1 or len(clips) != 1 or clips[0].op_type != "Clip":
        return None
    bottom = network.constants.get(clips[0].input[1])
    if clips[0].output[0] not in kinds["Mul"].input or bottom != 0 or (conv.weight <= 0).any():
        return None
    return np.asarray(-conv.bias / conv.weight[:, 0, 0, 0], np.float32)


def observed(model: Any, names: Sequence[str], feeds: Sequence[Feed], threads: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield the values of the named tensors for each feed, by name; they stay valid."""
    run = OnnxRuntime(exposing(model, names).SerializeToString(), threads).run
    for feed in feeds:
        yield dict(zip(names, run(feed), strict=True))


def exposing(model: Any, names: Sequence[str]) -> Any:
    """Returns a copy of an onnx.ModelProto whose outputs are the named tensors."""
    import onnx

    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    del copied.graph.output[:]
    copied.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    types = {value.name: value for value in (*model.graph.value_info, *model.graph.input, *model.graph.output)}
    for output in copied.graph.output:
        if output.name in types:
            output.CopyFrom(types[output.name])
    return copied
