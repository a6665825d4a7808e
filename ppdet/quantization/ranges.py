"""Ranges of what convolutions read and write, channel by channel, over calibration images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ppdet.deploy.backends.base import Feed
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.quantization.network import Network


class ChannelRange(NamedTuple):
    """The smallest and the largest value of each channel of a tensor, both [C] float32."""

    low: np.ndarray
    high: np.ndarray


def channel_ranges(network: Network, feeds: Sequence[Feed], threads: int) -> dict[str, ChannelRange]:
    """Returns the ranges of all that the convolutions read and write.

    Args:
        network: the float model.
        feeds: the calibration images.
        threads: number of threads that run the model.
    """
    names = list(dict.fromkeys(name for conv in network.convs.values() for name in (conv.input, conv.output)))
    found: dict[str, ChannelRange] = {}
    for values in observed(network.model, names, feeds, threads):
        for name, value in values.items():
            axes = (0, *range(2, value.ndim))
            low, high = value.min(axis=axes), value.max(axis=axes)
            if name in found:
                low, high = np.minimum(low, found[name].low), np.maximum(high, found[name].high)
            found[name] = ChannelRange(low, high)
    return found


def observed(model: Any, names: Sequence[str], feeds: Sequence[Feed], threads: int) -> Iterator[dict[str, np.ndarray]]:
    """Yield the values of the named tensors for each feed, by name; they stay valid."""
    run = OnnxRuntime(exposing(model, names).SerializeToString(), threads).run
    for feed in feeds:
        yield dict(zip(names, run(feed), strict=True))


def exposing(model: Any, names: Sequence[str]) -> Any:
    """Returns a copy of an onnx.ModelProto whose outputs are the named tensors, without what they do not need."""
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
