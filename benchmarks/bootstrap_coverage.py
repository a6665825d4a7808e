"""Counts how often 95 % intervals of AP are right: python3 benchmarks/bootstrap_coverage.py [--images 50 400]

Simulated detectors on data sets of a few images. Right is the number on very many images, or (second column) the mean
over data sets of this size, which is higher: AP of few images is too optimistic. For comparison: the percentile
interval of draws with replacement.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppdet.metrics.analysis.average_precision import Scorer, build_scorer
from ppdet.metrics.analysis.bootstrap import resample
from tests.support.simulated import simulate

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")


def numbers(scorer: Scorer, weights: np.ndarray | None = None) -> np.ndarray:
    """[names], NaN where there are no objects."""
    scores = scorer.scores(scorer.detail(weights))
    return np.array([scores[name] if scores[name] >= 0 else np.nan for name in NAMES])


def intervals(trial: int, images: int, count: int) -> np.ndarray:
    """[names, 5]: the value; low and high as the analysis has them; low and high of draws with replacement."""
    scorer = build_scorer(simulate(np.random.default_rng(trial), images))
    ours = resample([scorer], count, trial)[0].intervals()
    rng = np.random.default_rng(trial + 10**6)
    draws = (np.bincount(rng.integers(0, images, images), minlength=images) for _ in range(count))
    bounds = np.nanquantile([numbers(scorer, weights) for weights in draws], [0.025, 0.975], axis=0)
    return np.concatenate([[ours[name][:3] for name in NAMES], bounds.T], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=100)
    args = parser.parse_args()
    very_many = numbers(build_scorer(simulate(np.random.default_rng(10**6), 40000)))
    for images in args.images:
        found = np.array([intervals(trial, images, args.resamples) for trial in range(args.trials)])
        print(f"{images} images, {args.trials} data sets     very many images   this many   (with replacement)")
        for at, name in enumerate(NAMES):
            value, *bounds = found[:, at].T
            right = (very_many[at], np.nanmean(value))
            shares = [
                np.mean((low <= target) & (target <= high))
                for low, high in (bounds[:2], bounds[2:])
                for target in right
            ]
            text = "{:17.1%}{:12.1%}   ({:.1%}, {:.1%})".format(*shares)
            print(f"  {name:6s} {right[0]:.3f}, mean {right[1]:.3f}  {text}")


if __name__ == "__main__":
    main()
