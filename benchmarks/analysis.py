"""The analysis of many detections: python3 benchmarks/analysis.py [--images 5000]

Synthetic truth and 100 boxes per image; time of the processor, and memory on top of the detections themselves.
"""

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.coco_metric import BOXES, CLASSES, make_data, peak_kb
from ppdet.metrics.analysis import analyze


def make_dataset(images: int) -> tuple[SimpleNamespace, list]:
    """A loaded data set, and its detections."""
    truth, found = make_data(images)
    annotations = truth["annotations"]
    empty = {"gt_bbox": np.empty((0, 4)), "gt_class": np.empty((0, 1)), "difficult": np.empty((0, 1))}
    records = [SimpleNamespace(im_id=im_id, **empty) for im_id in range(images)]
    categories = [SimpleNamespace(id=index, name=str(index)) for index in range(CLASSES)]
    file = SimpleNamespace(
        im_id=np.array([each["image_id"] for each in annotations]),
        class_index=np.array([each["category_id"] for each in annotations]) - 1,
        boxes=np.array([each["bbox"] for each in annotations]),
        areas=np.array([each["area"] for each in annotations]),
        crowd=np.array([each["iscrowd"] for each in annotations], bool),
    )
    rows = np.column_stack([found[:, 6] - 1, found[:, 5], found[:, 1:3], found[:, 1:3] + found[:, 3:5]])
    detections = list(enumerate(rows.astype(np.float32).reshape(images, BOXES, 6)))
    return SimpleNamespace(records=records, categories=categories, truth=file), detections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5000)
    args = parser.parse_args()
    dataset, detections = make_dataset(args.images)
    small, few = make_dataset(2)
    start = time.perf_counter()
    analyze(few, small)
    print(f"compiled or loaded in {time.perf_counter() - start:.1f} s")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the data (Linux)
    before, start, used = peak_kb(), time.perf_counter(), time.process_time()
    found = analyze(detections, dataset)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    memory = (peak_kb() - before) / 1024
    print(f"{len(found.case.found)} detections: {seconds:.1f} s ({used:.1f} s of processor), {memory:.0f} MB")


if __name__ == "__main__":
    main()
