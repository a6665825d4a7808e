"""Compares the C++ library with the Python Detector:  python3 benchmarks/cpp.py --build build output_inference/<name>

For each model and back end, one thread: AP on coco_tiny in both, boxes without a partner within half a pixel and 0.001
of score, `detect` of a decoded image of 640 x 480 in turns, the stages in C++ (by its command line), and the time of an
image in one thread, and in two with one Detector or with one each, in turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PPDET_SHARED", ROOT.parent / "shared"))
sys.path[0] = str(ROOT)

import cv2
import numpy as np

from benchmarks.measure import interleaved, report
from ppdet.data.datasets import COCODataSet
from ppdet.deploy import Detector
from ppdet.deploy.benchmark import synthetic_image
from ppdet.deploy.detections import to_rows
from ppdet.metrics.coco import CocoMetric
from tests.support.cpp_library import CppDetectors, difference, entries_of_cli

BLOCK = 20  # images that a thread detects in


def compare_boxes(model: Path, backend: str, program: Path, data: Path) -> None:
    images = data / "val2017"
    detector = Detector(model, backend, threads=1, threshold=0.0)
    theirs = {file.name: to_rows(detector.detect(file)) for file in sorted(images.glob("*.jpg"))}
    ours = entries_of_cli(program, model, images, backend, 0.0)
    alone, pixels, score = difference(ours, theirs)
    print(f"  AP {average_precision(ours, data):.4f} in C++, {average_precision(theirs, data):.4f} in Python")
    count = sum(map(len, theirs.values()))
    print(f"  {alone} of {count} boxes differ; the others by at most {pixels:.2g} pixels and {score:.2g} of score")


def average_precision(found: Mapping[str, np.ndarray], data: Path) -> float:
    dataset = COCODataSet(str(data), "val2017", "annotations/instances_val2017.json", allow_empty=True)
    dataset.load()
    metric = CocoMetric(dataset.categories, dataset.records, dataset.truth)
    for record in dataset.records:
        metric.update(record.im_id, found.get(Path(record.im_file).name, np.empty((0, 6))).astype(np.float32))
    return metric.compute()["AP"]


def compare_times(model: Path, backend: str, build: Path, image: Path, repeats: int) -> None:
    pixels = cv2.imread(str(image))
    detectors = CppDetectors(build / "libpicodet.so")
    python, cpp = Detector(model, backend, threads=1, order="bgr"), detectors(model, backend)
    ways: dict[str, Callable[[], object]] = {"Python": lambda: python.detect(pixels), "C++": lambda: cpp.detect(pixels)}
    report("ms", {name: [1000 * s for s in times] for name, times in interleaved(ways, repeats).items()})
    flags = ["--backend", backend, "--threads", "1", "--image", str(image), "--benchmark"]
    print(
        subprocess.run([build / "picodet", "--model", model, *flags], capture_output=True, text=True, check=True).stdout
    )
    others = detectors(model, backend), detectors(model, backend)
    with ThreadPoolExecutor(2) as pool:

        def two(of: tuple[object, object]) -> Callable[[], object]:
            return lambda: list(pool.map(lambda each: [each.detect(pixels) for _ in range(BLOCK)], of))

        blocks = {"one thread": lambda: [cpp.detect(pixels) for _ in range(2 * BLOCK)]}
        times = interleaved(
            {**blocks, "two, one Detector": two((cpp, cpp)), "two, one each": two(others)}, repeats // 4
        )
    report("ms an image", {name: [500 * s / BLOCK for s in each] for name, each in times.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="+", help="exports, folders or files")
    parser.add_argument("--build", type=Path, required=True, help="the folder in which deploy/cpp was built")
    parser.add_argument("--backend", nargs="+", default=["openvino", "onnxruntime"])
    parser.add_argument("--data", type=Path, default=SHARED / "data/coco_tiny")
    parser.add_argument("--repeats", type=int, default=100, help="0: no times")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        image = synthetic_image(Path(folder))
        for model in args.model:
            for backend in args.backend:
                print(f"{model}: {backend}", flush=True)
                compare_boxes(model, backend, args.build / "picodet", args.data)
                if args.repeats:
                    compare_times(model, backend, args.build, image, args.repeats)


if __name__ == "__main__":
    main()
