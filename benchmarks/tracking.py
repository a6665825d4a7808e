"""Measures the tracker on generated videos of moving signs:  python3 benchmarks/tracking.py [--model <export>]

Signs of three classes cross, and pass behind each other and behind pillars (tests/support/moving_signs.py). HOTA, IDF1
and id switches by TrackEval; detections of another class than the sign's are wrong. The detections are the true places,
and with --model (trained on the demo's signs) also those of a detector. Needs trackers and trackeval.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from ppdet.deploy import Detections, Detector
from ppdet.deploy.tracking.tracked import Tracked
from ppdet.deploy.tracking.tracker import Tracker
from tests.support.moving_signs import NAMES, RATE, Truth, make_sequence, make_signs, render


def perfect(truth: Truth) -> Detections:
    """The true places as detections."""
    names = tuple(NAMES[i] for i in truth.class_ids.tolist())
    return Detections(truth.boxes, np.full(len(names), 0.9, np.float32), truth.class_ids, names)


def scores(truths: Sequence[Truth], found: Sequence[Tracked], names: Sequence[str]) -> dict[str, float]:
    """HOTA with its two parts, IDF1 and MOTA in percent, and the number of id switches."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    classes = np.array([NAMES.index(name) for name in names])
    data: dict[str, Any] = {
        "gt_ids": [truth.ids for truth in truths],
        "tracker_ids": [each.ids for each in found],
        "similarity_scores": [
            _ious(truth.boxes, each.boxes) * (truth.class_ids[:, None] == classes[each.class_ids])
            for truth, each in zip(truths, found, strict=True)
        ],
        "num_timesteps": len(truths),
    }
    for kind in ("gt", "tracker"):
        known = {number: i for i, number in enumerate(np.unique(np.concatenate(data[f"{kind}_ids"])).tolist())}
        data[f"{kind}_ids"] = [np.array([known[i] for i in ids.tolist()], int) for ids in data[f"{kind}_ids"]]
        data[f"num_{kind}_ids"] = len(known)
        data[f"num_{kind}_dets"] = sum(map(len, data[f"{kind}_ids"]))
    quiet = {"PRINT_CONFIG": False}
    hota, clear = HOTA().eval_sequence(data), CLEAR(quiet).eval_sequence(data)
    return {
        **{key: 100 * float(np.mean(hota[key])) for key in ("HOTA", "DetA", "AssA")},
        "IDF1": 100 * float(Identity(quiet).eval_sequence(data)["IDF1"]),
        "MOTA": 100 * float(clear["MOTA"]),
        "switches": float(clear["IDSW"]),
    }


def _ious(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[n, m] of the boxes a [n, 4] and b [m, 4]."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.prod(np.maximum(sides, 0), axis=2)
    area_a, area_b = (np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (a, b))
    return np.asarray(shared / np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9))


def measure(seed: int, frames: int, detector: Detector | None) -> Iterable[tuple[str, dict[str, float]]]:
    """(kind of detections, scores) of the video `seed`."""
    signs = make_signs(frames, seed)
    truths = make_sequence(signs, frames)
    tracker = Tracker(RATE, 0.5)
    yield "perfect", scores(truths, [tracker.update(perfect(truth)) for truth in truths], NAMES)
    if detector is not None:
        found = list(detector.track(render(signs, frames, seed), RATE))
        yield "model", scores(truths, found, detector.labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the folder of an export that knows the demo's signs")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--videos", type=int, default=3)
    args = parser.parse_args()
    detector = Detector(args.model) if args.model else None
    for seed in range(args.videos):
        for kind, values in measure(seed, args.frames, detector):
            print(f"video {seed}, {kind}: " + ", ".join(f"{k} {v:.1f}" for k, v in values.items()), flush=True)


if __name__ == "__main__":
    main()
