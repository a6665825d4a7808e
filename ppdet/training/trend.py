"""The line at the end of a training that says whether more epochs would have helped."""

from __future__ import annotations

import numpy as np

from ppdet.training.early_stop import Scores

FEWEST, MOST = 5, 20  # evaluations that are looked at: the last third, within these bounds
WORTH = 0.002  # a rise of the score that is worth as many epochs again; equal trainings differ by more


def more_epochs(scores: Scores, name: str) -> str:
    """One line that says whether more epochs would have helped.

    The score is smoothed by the least-squares line through the last third of the evaluations, at least 5 and at most 20
    of them. The noise of its slope is the standard error of that line, times the factor of a one-sided t-test at 5 %.
    The score was rising if the slope is larger than the noise and, over as many epochs again, brings 0.002 or more;
    it was falling if the same holds downwards; else it was level. With fewer than 5 evaluations it is not known.

    A learning rate that falls to 0 makes every score level at the end. More epochs then mean another schedule, about
    which the scores of this one say nothing.

    Args:
        scores: of all evaluations.
        name: the name of the score.
    """
    if len(scores) < FEWEST:
        return f"would more epochs have helped: not known, {len(scores)} evaluations are fewer than {FEWEST}"
    count = min(max(FEWEST, len(scores) // 3), MOST)
    epochs, values = np.array(scores[-count:], float).T
    slope, noise = slope_and_noise(epochs, values)
    gain = slope * (epochs[-1] - epochs[0])
    found = f"{name} changed by {slope:+.5f} per epoch in the last {count} evaluations (noise {noise:.5f})"
    if slope > noise and gain >= WORTH:
        return f"more epochs would probably have helped: {found}"
    if slope < -noise and gain <= -WORTH:
        best = max(scores, key=lambda pair: pair[1])[0]
        return f"fewer epochs would have been enough: {found}; the best epoch was {best}"
    return f"more epochs with this schedule would hardly have helped: {found}"


def slope_and_noise(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The slope of the least-squares line through the points, and the size up to which it may be chance (1 in 20).

    Args:
        x: [n], n > 2, ascending.
        y: [n].
    """
    x = x - x.mean()
    spread = float((x**2).sum())
    slope = float((x * y).sum()) / spread
    free = len(x) - 2
    variance = float(((y - y.mean() - slope * x) ** 2).sum()) / free
    factor = 1.645 + 2.13 / free  # the 95 % quantile of Student's t, within 0.05 and never below it
    return slope, factor * (variance / spread) ** 0.5
