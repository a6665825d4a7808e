"""Which images make up which batch: a function of (seed, epoch, rank) and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import NamedTuple

import numpy as np


class Draw(NamedTuple):
    """The order for one image of a batch, sent to the worker that makes the batch; `record` is its index."""

    epoch: int
    step: int
    record: int


@dataclass
class EpochSampler:
    """Batches of Draws for one epoch at a time; the main process sets the epoch, the workers never know it.

    All ranks share one permutation, drawn from (seed, epoch), and take every world_size-th image of it. With `even`
    (training) each rank gets the same number of images: the tail that does not fill a batch on every rank is left out
    with drop_last, otherwise the epoch's first images fill up the last round. Without `even` (evaluation) every image
    is on exactly one rank.
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
    epoch: int = field(default=0, init=False)
    start_step: int = field(default=0, init=False)

    def start(self, epoch: int, start_step: int) -> None:
        """Choose the epoch that the next iteration yields, and its first step."""
        self.epoch, self.start_step = epoch, start_step

    def __len__(self) -> int:
        """Steps of a whole epoch on this rank."""
        images = len(range(self.rank, self._total(), self.world_size))
        return images // self.batch_size if self.drop_last else math.ceil(images / self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, order = self.epoch, np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        own = np.resize(order, self._total())[self.rank :: self.world_size]
        for step in range(self.start_step, len(self)):
            chosen = own[step * self.batch_size : (step + 1) * self.batch_size]
            yield [Draw(epoch, step, int(record)) for record in chosen]

    def _total(self) -> int:
        """Images of an epoch over all ranks."""
        if not self.even:
            return self.length
        group = self.world_size * (self.batch_size if self.drop_last else 1)
        rounds = self.length // group if self.drop_last else math.ceil(self.length / group)
        return rounds * group
