"""Measures thresholds on other images than those that they were chosen on.

    python3 benchmarks/thresholds.py --weights output/picodet_xs_demo/best_model [--images 200 400] [--seeds 0 1 2 3 4]

Draws the demo's signs on new images and runs a model of the demo on them once. For each seed, thresholds are chosen on
some of the images (`ppdet thresholds --precision`), and their precision over all classes is measured on all the others,
with the mean difference of the classes from what was asked for. For comparison: the lowest threshold at which each
class alone has the precision. Ends with status 1 if a precision is more than 0.03 from the one that was asked for.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ppdet.evaluation.evaluator import build_evaluator
from ppdet.metrics.analysis import Goal, choose_thresholds, judge
from ppdet.metrics.analysis.curves import Curve, class_curves, overall_curve
from ppdet.session import open_session

ALLOWED = 0.03


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--images", type=int, nargs="+", default=[200, 400], help="that thresholds are chosen on")
    parser.add_argument("--total", type=int, default=1400, help="images that are drawn")
    parser.add_argument("--data_seed", type=int, default=7)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--asked", type=float, nargs="+", default=[0.8, 0.9, 0.95])
    args = parser.parse_args()
    data = ROOT / "output" / f"thresholds_data_{args.data_seed}"
    draw = ["dataset/demo/make_demo.py", "--output", data, "--train", 1, "--val", args.total, "--seed", args.data_seed]
    subprocess.run([sys.executable, *map(str, draw)], cwd=ROOT, check=True)
    session = open_session("picodet_xs_demo", [f"EvalDataset.dataset_dir={data}", f"weights={args.weights}"])
    evaluator = build_evaluator(session)
    detections = dict(evaluator.detect(session.load_model()))
    failed = 0
    for count in args.images:
        print(f"\nchosen on {count} images, measured on {args.total - count}\n")
        print("| seed | asked | seen | classes | recall | each class alone: seen | classes |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for seed in args.seeds:
            order = np.random.default_rng(seed).permutation(sorted(detections))
            first, second = (curves(evaluator.dataset, detections, part) for part in (order[:count], order[count:]))
            for asked in args.asked:
                failed += report(seed, asked, first, second)
    print(f"\n{failed} more than {ALLOWED} from what was asked for")
    return int(failed > 0)


def curves(dataset: Any, detections: dict[int, np.ndarray], im_ids: np.ndarray) -> tuple[Sequence[Curve], Curve]:
    """The curves of the classes, and of all together, on some of the images."""
    chosen = set(im_ids.tolist())
    records = [record for record in dataset.records if record.im_id in chosen]
    part = SimpleNamespace(records=records, categories=dataset.categories, truth=dataset.truth)
    case, matching = judge([(im_id, detections[im_id]) for im_id in sorted(chosen)], part)
    return class_curves(case, matching), overall_curve(case, matching)


def report(
    seed: int, asked: float, first: tuple[Sequence[Curve], Curve], second: tuple[Sequence[Curve], Curve]
) -> bool:
    """Print a line; returns whether the precision on `second` is too far from the one asked for."""
    chosen = choose_thresholds(*first, Goal("precision", asked))
    if chosen is None:
        print(f"| {seed} | {asked} | out of reach | | | | |")
        return True
    alone = [curve.for_precision(asked) or chosen.overall for curve in first[0]]
    precision, error, recall = measured(second[0], [each.threshold for each in chosen.classes], asked)
    lowest, other, _ = measured(second[0], [each.threshold for each in alone], asked)
    print(
        f"| {seed} | {asked} | {precision:.3f} | {error:.3f} | {recall:.3f} | {lowest:.3f} | {other:.3f} |", flush=True
    )
    return abs(precision - asked) > ALLOWED


def measured(curves: Sequence[Curve], thresholds: Sequence[float], asked: float) -> tuple[float, float, float]:
    """Precision over all classes, each at its threshold; the classes' mean difference from `asked`; recall."""
    counts = [curve.counts([threshold]) for curve, threshold in zip(curves, thresholds, strict=True)]
    right, wrong = np.array(counts)[:, :, 0].T
    total = right.sum()
    error = np.nanmean(np.abs(right / np.maximum(right + wrong, 1) - asked))
    return total / (total + wrong.sum()), float(error), total / sum(curve.positives for curve in curves)


if __name__ == "__main__":
    sys.exit(main())
