"""Bootstrap intervals of AP, as other images would give it, and the paired comparison of two detectors.

Resamples are random halves of the images, each image once (the repeated half-sample bootstrap). A half moves about the
whole as the whole moves about all images that could have been taken. With draws that repeat images, AP is less well
covered, because a curve that images are repeated in is too optimistic; benchmarks/bootstrap_coverage.py shows it.

AP of few images is too high: the envelope of a curve takes the best of its chances. The mean over halves shows a part
of it, by how much it is above the value: an error that falls with the square root of the number of images is 2.4 times
as large. An interval has 1.96 standard deviations on both sides. On the side of the error it has twice that rise as
well, so that it covers both the AP on very many images and the mean AP on other sets of as many images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.metrics.analysis.average_precision import Scorer, class_ap
from ppdet.utils.streams import Stream, generator

LEVEL = 0.95
RESAMPLES = 400


class Interval(NamedTuple):
    """A number, the bounds of its interval, and its standard deviation over resamples; NaN if it is not known."""

    value: float
    low: float
    high: float
    deviation: float


class Difference(NamedTuple):
    """The lead of A over B in a number: A - B with its interval.

    probability: the share of resamples in which A is better; equal ones count half.
    """

    value: float
    low: float
    high: float
    deviation: float
    probability: float

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside of the interval."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, eq=False)
class Resampled:
    """The numbers of a detector on the data set and on B resamples of its images.

    Attributes:
        names: the official numbers, M of them.
        values: [M + K] float64 on the data set: the official numbers, then each class's AP. -1 without objects.
        samples: [B, M + K] float64.
    """

    names: Sequence[str]
    values: np.ndarray
    samples: np.ndarray

    def intervals(self, level: float = LEVEL) -> dict[str, Interval]:
        """Returns the interval of each official number."""
        return dict(zip(self.names, self._intervals(level), strict=False))

    def class_intervals(self, level: float = LEVEL) -> list[Interval]:
        """Returns the interval of each class's AP."""
        return self._intervals(level)[len(self.names) :]

    def _intervals(self, level: float) -> list[Interval]:
        return [_interval(value, column, level) for value, column in zip(self.values, self.samples.T, strict=True)]


def resample(scorers: Sequence[Scorer], count: int = RESAMPLES, seed: int = 0) -> list[Resampled]:
    """Scores detectors on `count` random halves of their images, the same ones for all. Nothing is matched again.

    Raises:
        UserError: the detectors were not run on the same number of images.
    """
    if len({scorer.num_images for scorer in scorers}) > 1:
        sizes = ", ".join(str(scorer.num_images) for scorer in scorers)
        raise UserError(f"compare: found detections on {sizes} images; expected the same images; evaluate both on them")
    rng, num_images = generator(Stream.BOOTSTRAP, seed), scorers[0].num_images
    details = [scorer.detail() for scorer in scorers]
    rows: list[list[np.ndarray]] = [[_numbers(scorer, detail)] for scorer, detail in zip(scorers, details, strict=True)]
    for _ in range(count if num_images > 1 else 0):
        weights = (rng.permutation(num_images) < num_images // 2).astype(np.int64)
        for scorer, own in zip(scorers, rows, strict=True):
            own.append(_numbers(scorer, scorer.detail(weights)))
    names = [list(scorer.scores(detail)) for scorer, detail in zip(scorers, details, strict=True)]
    return [
        Resampled(of, own[0], np.array(own[1:]).reshape(-1, len(own[0]))) for of, own in zip(names, rows, strict=True)
    ]


def compare(a: Resampled, b: Resampled, level: float = LEVEL) -> dict[str, Difference]:
    """Returns how much A is better than B in each official number, from resamples on the same draws."""
    return dict(zip(a.names, _differences(a, b, level), strict=False))


def compare_classes(a: Resampled, b: Resampled, level: float = LEVEL) -> list[Difference]:
    """Returns how much A is better than B in each class's AP."""
    return _differences(a, b, level)[len(a.names) :]


def _differences(a: Resampled, b: Resampled, level: float) -> list[Difference]:
    """The differences of all columns."""
    result = []
    for index in range(len(a.values)):
        one, other = a.samples[:, index], b.samples[:, index]
        valid = (one >= 0) & (other >= 0)
        rise = one[valid] - other[valid]
        value = a.values[index] - b.values[index] if min(a.values[index], b.values[index]) >= 0 else np.nan
        better = float(((rise > 0) + (rise == 0) / 2).mean()) if len(rise) else np.nan
        result.append(Difference(*_bounds(value, rise, level), better))
    return result


def _numbers(scorer: Scorer, detail: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([list(scorer.scores(detail).values()), class_ap(detail)])


def _interval(value: float, samples: np.ndarray, level: float) -> Interval:
    return Interval(*_bounds(value if value >= 0 else np.nan, samples[samples >= 0], level))


def _bounds(value: float, samples: np.ndarray, level: float) -> tuple[float, float, float, float]:
    """The value, the bounds of its interval, the deviation."""
    if not len(samples) or np.isnan(value):
        return float(value), np.nan, np.nan, np.nan
    half, rise = NormalDist().inv_cdf((1 + level) / 2) * samples.std(), samples.mean() - value
    low, high = value - half - 2 * max(rise, 0), value + half - 2 * min(rise, 0)
    return float(value), float(low), float(high), float(samples.std())
