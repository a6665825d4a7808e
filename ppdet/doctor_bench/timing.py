"""Images per second of work that a device may still be doing when the call returns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Clock = Callable[[], float]
Step = Callable[[], int]  # does some work, returns how many images it was for

MIN_BLOCKS, MAX_BLOCKS = 3, 7
_WARM_UP = 2  # steps


@dataclass(frozen=True)
class Speed:
    """Images per second of each block, and the steps of a block."""

    blocks: Sequence[float]
    steps: int

    @property
    def median(self) -> float:
        return statistics.median(self.blocks)

    def __str__(self) -> str:
        return describe_rates(self.blocks, f"{len(self.blocks)} x {self.steps} step{'s' if self.steps > 1 else ''}")


def describe_rates(rates: Sequence[float], where: str) -> str:
    """Returns the median and the spread of images per second as text."""
    return f"{statistics.median(rates):.4g} images/s ({min(rates):.4g} to {max(rates):.4g} in {where})"


def measure_speed(
    step: Step, seconds: float, wait: Callable[[], None], clock: Clock = time.perf_counter, steps: int = 0
) -> Speed:
    """Measure blocks of steps, for about `seconds` after the warm-up.

    Args:
        step: does the work, perhaps without waiting for its end.
        seconds: the time for all blocks; there are at least MIN_BLOCKS of one step.
        wait: returns when all work is done. It is called at both ends of a block, never within.
        clock: returns seconds.
        steps: the steps of a block, of which there are MIN_BLOCKS then; 0: as many as fit. Ranks that wait for each
            other must all do the same number.
    """
    for _ in range(_WARM_UP):
        step()
    if steps:
        return Speed([_block(step, steps, wait, clock) for _ in range(MIN_BLOCKS)], steps)
    steps = _steps_of_a_block(step, seconds / MAX_BLOCKS, wait, clock)
    blocks: list[float] = []
    start = clock()
    while len(blocks) < MIN_BLOCKS or (len(blocks) < MAX_BLOCKS and clock() - start < seconds):
        blocks.append(_block(step, steps, wait, clock))
    return Speed(blocks, steps)


def _steps_of_a_block(step: Step, seconds: float, wait: Callable[[], None], clock: Clock) -> int:
    """Returns 1, 2, 4, …: the first number of steps that takes half of `seconds`.

    The time of a single step would not do: a reader has some batches ready, which take no time.
    """
    steps = 1
    while True:
        wait()
        start = clock()
        for _ in range(steps):
            step()
        wait()
        if clock() - start >= seconds / 2:
            return steps
        steps *= 2


def _block(step: Step, steps: int, wait: Callable[[], None], clock: Clock) -> float:
    wait()
    start = clock()
    images = sum(step() for _ in range(steps))
    wait()
    return images / (clock() - start)
