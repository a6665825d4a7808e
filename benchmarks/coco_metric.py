"""COCO's metric through pycocotools and through ours: python3 benchmarks/coco_metric.py [--images 5000]

Synthetic truth and 100 boxes per image; each library in a process of its own, so that its peak memory can be told.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppdet.metrics.coco_evaluation import LIBRARIES, evaluate

CLASSES, BOXES = 80, 100


def make_data(images: int) -> tuple[dict, np.ndarray]:
    """About COCO val's density: 7.3 objects per image, 1 % of them crowds; half of the boxes near an object."""
    rng = np.random.default_rng(0)
    im_ids = np.repeat(np.arange(images), rng.poisson(7.3, images) + 1)
    boxes = np.column_stack([rng.uniform(0, 400, (len(im_ids), 2)), np.exp(rng.normal(4, 1, (len(im_ids), 2)))])
    classes = rng.integers(1, CLASSES + 1, len(im_ids))
    annotations = [
        {
            "id": i + 1,
            "image_id": int(im_ids[i]),
            "category_id": int(classes[i]),
            "bbox": boxes[i].tolist(),
            "area": float(boxes[i, 2] * boxes[i, 3]),
            "iscrowd": int(i % 100 == 0),
        }
        for i in range(len(im_ids))
    ]
    truth = {
        "info": {},
        "images": [{"id": i} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": i, "name": str(i)} for i in range(1, CLASSES + 1)],
    }
    owners = np.repeat(np.arange(images), BOXES)
    first, last = np.searchsorted(im_ids, owners), np.searchsorted(im_ids, owners, "right")
    near = first + (rng.random(len(owners)) * (last - first)).astype(int)
    noise = rng.normal(1, 0.1, (len(owners), 4))
    found = np.where(rng.random((len(owners), 1)) < 0.5, boxes[near] * noise, rng.uniform(1, 300, (len(owners), 4)))
    named = np.where(rng.random(len(owners)) < 0.7, classes[near], rng.integers(1, CLASSES + 1, len(owners)))
    scores = rng.random(len(owners)).astype("float32")
    return truth, np.column_stack([owners, found, scores, named]).astype(np.float64)


def peak_kb() -> int:
    """Largest resident set of this process."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def child(library: str, images: int) -> None:
    truth, detections = make_data(images)
    evaluate(*make_data(2), range(2), range(1, CLASSES + 1), [library])  # imports
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the data (Linux)
    before = peak_kb()
    start = time.perf_counter()
    stats, precision = evaluate(truth, detections, range(images), range(1, CLASSES + 1), [library])
    seconds = time.perf_counter() - start
    peak = peak_kb() - before
    numbers = [*stats.tolist(), float(precision.sum())]
    print(json.dumps({"seconds": seconds, "mb": peak / 1024, "numbers": numbers}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=1, help="of pycocotools; three times as many of the others")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.images)
        return
    results = {name: [] for name in LIBRARIES}
    for _ in range(args.repeats):
        for name in [*LIBRARIES[:-1] * 3, LIBRARIES[-1]]:
            command = [sys.executable, __file__, "--child", name, "--images", str(args.images)]
            results[name].append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    seconds = {name: statistics.median(run["seconds"] for run in runs) for name, runs in results.items()}
    plain = LIBRARIES[-1]
    for name, runs in results.items():
        assert runs[0]["numbers"] == results[plain][0]["numbers"], f"{name}: other numbers"
        memory = statistics.median(run["mb"] for run in runs)
        print(f"{name:24s}{seconds[name]:8.2f} s {memory:6.0f} MB {seconds[plain] / seconds[name]:6.1f}x")


if __name__ == "__main__":
    main()
