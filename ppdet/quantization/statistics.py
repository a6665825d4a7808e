"""What the float model does on calibration images, as quantization needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppdet.core.errors import UserError
from ppdet.deploy.backends.base import Feed
from ppdet.quantization.moments import Moments, moments
from ppdet.quantization.network import Network
from ppdet.quantization.ranges import ChannelRange, observed, range_of, widened, without_dead_part

_LARGEST = 1e12  # sums of squares of larger values exceed float32


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over all calibration images.

    Attributes:
        ranges: by tensor, of what convolutions read and write.
        moments: by convolution, of what it reads.
        single_pixels: the tensors whose maps have one pixel, as those of squeeze and excite.
    """

    ranges: dict[str, ChannelRange]
    moments: dict[str, Moments]
    single_pixels: frozenset[str] = frozenset()


def collect(network: Network, feeds: Sequence[Feed], threads: int) -> Statistics:
    """Returns the statistics of the float model on the calibration images, which `threads` threads run.

    Raises:
        UserError: a layer gives NaN, or values too large to square.
    """
    names = list(dict.fromkeys(name for conv in network.convs.values() for name in (conv.input, conv.output)))
    seen: dict[str, list[ChannelRange]] = {name: [] for name in names}
    sums: dict[str, Moments] = {}
    single: set[str] = set()
    for values in observed(network.model, names, feeds, threads):
        for name, value in values.items():
            seen[name].append(_sound(network, name, range_of(value)))
            if value[0, 0].size == 1:
                single.add(name)
        for name, conv in network.convs.items():
            of_feed = moments(conv, values[conv.input])
            sums[name] = sums[name] + of_feed if name in sums else of_feed
    kept = {name: without_dead_part(network, name, widened(each)) for name, each in seen.items()}
    return Statistics(kept, sums, frozenset(single))


def _sound(network: Network, name: str, channels: ChannelRange) -> ChannelRange:
    """Returns the range of the tensor `name` in an image. Raises UserError if nothing can be calculated with it."""
    if np.abs([channels.low, channels.high]).max() < _LARGEST:  # False for NaN
        return channels
    maker = network.makers.get(name)
    found = f"the input {name} has" if maker is None else f"{maker.op_type} {name} gives"
    raise UserError(
        f"weights: {found} NaN or values beyond {_LARGEST:.0e} on a calibration image, and no convolution before it "
        "does; expected smaller numbers; train with a smaller learning rate, or choose an earlier checkpoint"
    )
