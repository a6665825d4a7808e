"""The learning rate of every step against the formulas of tests/references/schedules.py; float64 on both sides."""

from __future__ import annotations

import pytest

from ppdet.core.errors import UserError
from ppdet.optim.schedule import CosineDecay, ExpWarmup, LearningRate, LinearWarmup, PiecewiseDecay
from tests.references.schedules import cosine_with_warmup, piecewise


@pytest.mark.parametrize("lowest", [0.0, 0.05])
@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_cosine_with_warmup(steps_per_epoch, lowest):
    schedule = LearningRate(0.32, [CosineDecay(30, lowest), LinearWarmup(steps=11, start_factor=0.1)])
    total = 30 * steps_per_epoch
    for step in range(total + 5):  # a longer run stays at the lowest
        expected = cosine_with_warmup(0.32, step, 11, 0.1, total, lowest)
        assert schedule.at(step, steps_per_epoch) == pytest.approx(expected, rel=1e-12, abs=1e-15), step


def test_hand_computed_rates():
    schedule = LearningRate(0.4, [CosineDecay(12), LinearWarmup(steps=4, start_factor=0.1)])
    rates = [schedule.at(step, 1) for step in (0, 1, 2, 4, 8, 12, 99)]
    assert rates == pytest.approx([0.04, 0.13, 0.22, 0.4, 0.2, 0, 0])
    assert LearningRate(0.4).at(1000, 1) == 0.4


@pytest.mark.parametrize("warmup", [[], [LinearWarmup(epochs=2, start_factor=0.5)]])
def test_piecewise(warmup):
    """The decay stands on the epochs of the run, not on those after the warm-up."""
    schedule = LearningRate(0.1, [PiecewiseDecay([4, 6], 0.2), *warmup])
    for step in range(100):
        expected = piecewise(0.1, step, [40, 60], 0.2)
        if warmup and step < 20:
            expected = 0.1 * (0.5 + 0.5 * step / 20)
        assert schedule.at(step, 10) == pytest.approx(expected, rel=1e-12), step


def test_one_warmup_and_one_decay_at_most():
    for schedulers in ([CosineDecay(), PiecewiseDecay()], [LinearWarmup(), ExpWarmup()]):
        with pytest.raises(UserError, match=r"LearningRate\.schedulers: expected at most one"):
            LearningRate(0.1, schedulers)


def test_power_warmup_and_a_plateau_at_the_end() -> None:
    """Two epochs of warm-up, eight of cosine and three at the lowest rate, four steps each."""
    schedule = LearningRate(0.2, [CosineDecay(13, 0.25, last_plateau_epochs=3), ExpWarmup(epochs=2)])
    rising = [0.2 * (step / 8) ** 2 for step in range(8)]
    assert [schedule.at(step, 4) for step in range(8)] == pytest.approx(rising, rel=1e-12)
    assert [rising[0], rising[4], rising[6]] == pytest.approx([0, 0.05, 0.1125])
    falling = {8: 0.2, 16: 0.05 + 0.15 * (1 + 0.5**0.5) / 2, 24: 0.125, 32: 0.05 + 0.15 * (1 - 0.5**0.5) / 2}
    for step, rate in falling.items():
        assert schedule.at(step, 4) == pytest.approx(rate, rel=1e-12), step
    assert {schedule.at(step, 4) for step in range(40, 60)} == {0.05}
    assert schedule.at(39, 4) > 0.05


def test_other_powers_and_lengths_of_the_warmup() -> None:
    assert LearningRate(1.0, [ExpWarmup(steps=4, power=3)]).at(1, 10) == 1 / 64
    assert LearningRate(1.0, [ExpWarmup()]).at(500, 10) == 0.25  # of 1000 steps
    assert LearningRate(1.0, [CosineDecay(10, use_warmup=False), ExpWarmup()]).at(0, 10) == 1.0


def test_a_plateau_without_warmup_and_one_that_is_everything() -> None:
    rates = [LearningRate(1.0, [CosineDecay(4, 0.5, last_plateau_epochs=2)]).at(step, 1) for step in range(5)]
    assert rates == pytest.approx([1.0, 0.75, 0.5, 0.5, 0.5])
    assert LearningRate(1.0, [CosineDecay(4, 0.5, last_plateau_epochs=9)]).at(0, 1) == 0.5
