"""Measures one Detector that several threads share:  python3 benchmarks/detector_threads.py output_inference/<name>

For each backend: whether the detections of 2,000 images in 8 threads equal those of one thread, and the images per
second of 8 threads, of `stream` and of one thread. These take turns in short blocks, so that a busy moment hits all;
the network computes with one thread for each call.

Where other programs use the processor too, more threads give no more images. Two numbers show what they would give on
free cores: the processor time of an image, and how many threads on average ran or waited for a core (Linux) rather than
for each other.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import cv2
import numpy as np

from ppdet.deploy import Detections, Detector
from ppdet.deploy.detections import to_rows

THREADS = 8


def pictures(count: int) -> list[np.ndarray]:
    """Blurred noise of many sizes, about that of a camera's pictures."""
    rng = np.random.default_rng(0)
    sizes = [(240 + 16 * (i % 17), 320 + 24 * (i % 13)) for i in range(count)]
    return [cv2.blur(rng.integers(0, 256, (*size, 3), np.uint8), (9, 9)) for size in sizes]


def differing(detector: Detector, images: Sequence[np.ndarray], count: int) -> int:
    """The number of detections, of `count` in 8 threads, that are not those of one thread."""
    expected = [detector.detect(image) for image in images]

    def differs(i: int) -> bool:
        return not np.array_equal(to_rows(detector.detect(images[i % len(images)])), to_rows(expected[i % len(images)]))

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(differs, range(count)))


def demand(detector: Detector, images: Sequence[np.ndarray]) -> str:
    """The processor time of an image, and the mean number of threads that ran or wanted to, with 1 and 8 callers."""
    parts = []
    with ThreadPoolExecutor(THREADS) as pool:
        for callers, work in ((1, map), (THREADS, pool.map)):
            list(work(detector.detect, images))
            start, cpu, wanted = time.perf_counter(), time.process_time(), _wanted()
            list(work(detector.detect, images))
            seconds, cpu, wanted = time.perf_counter() - start, time.process_time() - cpu, _wanted() - wanted
            parts.append(f"{callers} callers: {1000 * cpu / len(images):.2f} ms, {wanted / seconds:.2f} threads")
    return "; ".join(parts)


def _wanted() -> float:
    """Seconds that the threads of this process ran or waited for a core; 0 if the system does not say."""
    statistics_of_threads = [path.read_text().split() for path in Path("/proc/self/task").glob("*/schedstat")]
    return sum(int(ran) + int(waited) for ran, waited, _ in statistics_of_threads) / 1e9


def speeds(detector: Detector, images: Sequence[np.ndarray], blocks: int) -> dict[str, list[float]]:
    """Images per second in each of `blocks` blocks, by the way in which they are detected."""
    with ThreadPoolExecutor(THREADS) as pool:
        ways: dict[str, Callable[[], Sequence[Detections]]] = {
            "one thread": lambda: [detector.detect(image) for image in images],
            f"{THREADS} threads": lambda: list(pool.map(detector.detect, images)),
            "stream": lambda: list(detector.stream(images)),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for block in range(blocks + 1):
            for name, work in ways.items():
                start = time.perf_counter()
                work()
                if block:
                    found[name].append(len(images) / (time.perf_counter() - start))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the folder of an export")
    parser.add_argument("--backend", nargs="+", default=["openvino", "onnxruntime", "paddle"])
    parser.add_argument("--images", type=int, default=2000, help="images whose detections are compared")
    parser.add_argument("--blocks", type=int, default=20)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    images = pictures(40)
    for backend in args.backend:
        detector = Detector(args.model, backend, threads=1, threshold=0.05)
        wrong = differing(detector, images, args.images) if args.images else None
        found = speeds(detector, images[:16], args.blocks)
        single = found["one thread"]
        print(f"{backend}: {wrong} of {args.images} detections differ")
        print(f"  processor time: {demand(detector, images)}")
        for name, values in found.items():
            ratios = [value / one for value, one in zip(values, single, strict=True)]
            best = max(values) / max(single)
            line = (
                f"{statistics.median(values):.1f} images/s, {statistics.median(ratios):.2f}x, of the best {best:.2f}x"
            )
            print(f"  {name}: {line}", flush=True)


if __name__ == "__main__":
    main()
