"""Whether more epochs would have helped."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.training.trend import more_epochs, slope_and_noise

ROUNDS = 1000


def scores(values: np.ndarray) -> list[tuple[int, float]]:
    return [(2 * index + 2, float(value)) for index, value in enumerate(values)]


def share(start: str, draw, count: int) -> float:
    """How often the line begins with `start`."""
    rng = np.random.default_rng(0)
    return sum(more_epochs(scores(draw(rng, np.arange(count))), "AP").startswith(start) for _ in range(ROUNDS)) / ROUNDS


@pytest.mark.parametrize("count", [5, 9, 30, 100])
def test_noise_is_seldom_taken_for_a_trend(count):
    def level(rng, x):
        return 0.4 + rng.normal(0, 0.01, len(x))

    assert share("more epochs would probably", level, count) < 0.06
    assert share("fewer epochs", level, count) < 0.06


def test_trends_are_found():
    assert share("more epochs would probably", lambda rng, x: 0.3 + 0.01 * x + rng.normal(0, 0.005, len(x)), 12) > 0.9
    assert share("fewer epochs", lambda rng, x: 0.6 - 0.01 * x + rng.normal(0, 0.005, len(x)), 12) > 0.9
    assert share("more epochs with", lambda rng, x: 0.5 * (1 - np.exp(-x / 5)) + rng.normal(0, 2e-3, len(x)), 60) > 0.9


def test_the_first_evaluations_do_not_count():
    """They rise in every training."""
    line = more_epochs(scores(np.minimum(np.arange(30) / 20, 1)), "AP")
    assert line == (
        "more epochs with this schedule would hardly have helped: AP changed by +0.00000 per epoch in the last 10 "
        "evaluations (noise 0.00000)"
    )


def test_a_rise_that_is_sure_but_too_small():
    assert "hardly" in more_epochs(scores(0.4 + 1e-4 * np.arange(10)), "AP")
    assert "probably" in more_epochs(scores(0.4 + 1e-3 * np.arange(10)), "AP")


def test_the_best_epoch_of_a_falling_score():
    line = more_epochs(scores(np.array([0.1, 0.5, 0.4, 0.3, 0.2, 0.1])), "mAP")
    assert line.startswith("fewer epochs would have been enough: mAP changed by -0.05000 per epoch in the last 5 ")
    assert line.endswith("; the best epoch was 4")


def test_too_few_evaluations():
    expected = "would more epochs have helped: not known, 4 evaluations are fewer than 5"
    assert more_epochs(scores(np.arange(4)), "AP") == expected
    assert "not known, 0 evaluations" in more_epochs((), "AP")


def test_slope_and_noise_against_numpy():
    x, y = np.array([2.0, 4, 6, 8, 11]), np.array([0.1, 0.3, 0.2, 0.5, 0.4])
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    found, noise = slope_and_noise(x, y)
    assert found == pytest.approx(slope)
    assert noise == pytest.approx((1.645 + 2.13 / 3) * covariance[0, 0] ** 0.5)


@pytest.mark.parametrize(("free", "quantile"), [(3, 2.3534), (4, 2.1318), (8, 1.8595), (18, 1.7341), (1000, 1.6464)])
def test_the_factor_is_that_of_a_t_test(free, quantile):
    assert 0 <= 1.645 + 2.13 / free - quantile < 0.06
