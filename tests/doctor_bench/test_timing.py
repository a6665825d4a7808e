"""Images per second, by a clock that only the work moves."""

from __future__ import annotations

import pytest

from ppdet.doctor_bench.timing import MAX_BLOCKS, MIN_BLOCKS, Speed, measure_speed


class Device:
    """A device that works while the program goes on: a step only queues its seconds, `wait` lets them pass."""

    def __init__(self, *seconds: float, images: int = 8) -> None:
        self.now, self.queued, self.waits, self.steps = 50.0, 0.0, 0, 0
        self._seconds, self._images = seconds, images

    def step(self) -> int:
        self.queued += self._seconds[min(self.steps, len(self._seconds) - 1)]
        self.steps += 1
        return self._images

    def wait(self) -> None:
        self.now, self.queued = self.now + self.queued, 0.0
        self.waits += 1

    def clock(self) -> float:
        return self.now


def measure(device: Device, seconds: float, steps: int = 0) -> Speed:
    return measure_speed(device.step, seconds, device.wait, device.clock, steps)


def test_the_device_is_waited_for_at_both_ends_of_a_block_only() -> None:
    device = Device(0.5)
    speed = measure(device, seconds=35)
    assert speed.steps == 8  # 4 s, of 35 s / 7 blocks
    assert list(speed.blocks) == [pytest.approx(16)] * MAX_BLOCKS
    assert device.steps == 2 + (1 + 2 + 4 + 8) + 8 * MAX_BLOCKS
    assert device.waits == 2 * 4 + 2 * MAX_BLOCKS


def test_the_warm_up_does_not_count() -> None:
    speed = measure(Device(100, 100, 1), seconds=28)
    assert (speed.steps, set(speed.blocks)) == (2, {8.0})


def test_batches_that_a_reader_has_ready_do_not_make_long_blocks() -> None:
    device = Device(*[1e-5] * 12, 1)
    speed = measure(device, seconds=28)
    assert speed.steps == 8  # 1, 2 and 4 steps took what was ready, with the warm-up
    assert list(speed.blocks) == [pytest.approx(8)] * 4
    assert device.now - 50 < 2 * 28


def test_slow_steps_are_measured_a_few_times() -> None:
    device = Device(60)
    speed = measure(device, seconds=20)
    assert (len(speed.blocks), speed.steps, device.steps) == (MIN_BLOCKS, 1, 2 + 1 + MIN_BLOCKS)


def test_time_that_is_over_ends_the_measurement() -> None:
    """The first step was quicker than the others: 7 blocks of 2 would take 56 s."""
    speed = measure(Device(1, 1, 1, 4), seconds=20)
    assert (len(speed.blocks), speed.steps) == (MIN_BLOCKS, 2)


def test_ranks_do_the_number_of_steps_that_they_are_told() -> None:
    for device in (Device(1), Device(9)):
        speed = measure(device, seconds=20, steps=5)
        assert (len(speed.blocks), device.steps) == (MIN_BLOCKS, 2 + 5 * MIN_BLOCKS)


def test_text() -> None:
    assert str(Speed([8, 1234.567, 10], 1)) == "10 images/s (8 to 1235 in 3 x 1 step)"
    assert str(Speed([8, 9], 4)) == "8.5 images/s (8 to 9 in 2 x 4 steps)"
