"""The images of each batch, as a function of (seed, epoch, rank) and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass

import numpy as np

from ppdet.utils.streams import Stream, generator


@dataclass(frozen=True, slots=True)
class SampleIndex:
    """One image of a batch: `index` is its position in `Dataset.records`. Sent to the worker that builds the batch."""

    epoch: int
    step: int
    index: int


@dataclass
class EpochSampler:
    """Batches of SampleIndex, epoch by epoch.

    All ranks share one permutation, drawn from (seed, epoch), and take every world_size-th image of it. With `even`
    (training) each rank gets the same number of images: drop_last leaves out the tail that does not fill a batch on
    every rank; otherwise the epoch's first images fill up the last round. Without `even` (evaluation) every image is on
    exactly one rank.
    """

    length: int
    batch_size: int
    _: KW_ONLY
    shuffle: bool
    drop_last: bool
    even: bool
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        """Steps in a whole epoch on this rank."""
        images = len(range(self.rank, self._total(), self.world_size))
        return images // self.batch_size if self.drop_last else math.ceil(images / self.batch_size)

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[list[SampleIndex]]:
        """The batches of an epoch from `start_step` on."""
        order = np.arange(self.length)
        if self.shuffle:
            order = generator(Stream.ORDER, self.seed, epoch).permutation(self.length)
        own = np.resize(order, self._total())[self.rank :: self.world_size]
        for step in range(start_step, len(self)):
            chosen = own[step * self.batch_size : (step + 1) * self.batch_size]
            yield [SampleIndex(epoch, step, int(index)) for index in chosen]

    def _total(self) -> int:
        """Images in an epoch, on all ranks together."""
        if not self.even:
            return self.length
        group = self.world_size * (self.batch_size if self.drop_last else 1)
        rounds = self.length // group if self.drop_last else math.ceil(self.length / group)
        return rounds * group
