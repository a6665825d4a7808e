"""The report of a large evaluation: python3 benchmarks/report.py [--images 5000] [--detections 100]

Generates objects of 80 classes, detections near them and elsewhere, and image files of 640 x 480. Prints the seconds
and the peak memory of a process that writes the report, the size of the page, and with Playwright and Chromium
installed the time until the page is loaded and laid out. Ends with status 1 if a limit is exceeded. On a busy machine
compare the seconds of computing with the limit instead.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CLASSES, FILES, SIZE = 80, 400, (480, 640)
LIMITS = {"seconds": 15.0, "peak MB": 600.0, "page MB": 5.0, "opened in seconds": 3.0}


def main() -> int:
    """Write a report in a process of its own and measure it; 0 if all limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100, help="of each image")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        write_images(folder / "images")
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # its peak memory is that of this work alone
            found = pool.apply(measure, (folder, args.images, args.detections))
        page = folder / "out" / "report.html"
        found |= {"page MB": page.stat().st_size / 1e6, "opened in seconds": opened(page)}
    print("| | found | limit |\n| --- | --- | --- |")
    for name, value in found.items():
        shown = "no browser" if value is None else f"{value:.1f}"
        print(f"| {name} | {shown} | {LIMITS.get(name, '')} |")
    return int(any(value is not None and value > LIMITS.get(name, np.inf) for name, value in found.items()))


def write_images(folder: Path) -> None:
    """FILES pictures with soft shapes, about as large as photos."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(FILES):
        coarse = rng.integers(0, 256, (24, 32, 3), np.uint8)
        image = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        noise = rng.normal(0, 8, image.shape)
        cv2.imwrite(str(folder / f"{index:04d}.jpg"), np.clip(image + noise, 0, 255).astype(np.uint8))


def measure(folder: Path, images: int, detections: int) -> dict[str, float]:
    """Seconds and peak memory of writing the report, and the memory before."""
    from ppdet.report.write import write_report

    evaluated = generate(folder / "images", images, detections)
    before, start, computing = peak(), time.perf_counter(), time.process_time()
    write_report(folder / "out", evaluated)
    seconds, computing = time.perf_counter() - start, time.process_time() - computing
    return {"seconds": seconds, "of computing": computing, "peak MB": peak(), "before MB": before}


def peak() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def generate(folder: Path, images: int, detections: int) -> Any:
    """An evaluation with about 7 objects in an image, of which three quarters are found."""
    from ppdet.data.datasets import Category
    from ppdet.data.structures import Record
    from ppdet.report.source import Evaluated

    rng = np.random.default_rng(0)
    records, found = [], []
    for im_id in range(images):
        count = int(rng.poisson(7))
        low = rng.uniform(0, 500, (count, 2)) * (1, 0.75)
        boxes = np.hstack([low, low + np.exp(rng.normal(4, 0.9, (count, 2))).clip(4, 300)]).astype(np.float32)
        classes = np.minimum(rng.geometric(0.06, (count, 1)), CLASSES) - 1
        records.append(
            Record(str(folder / f"{im_id % FILES:04d}.jpg"), im_id, SIZE, boxes, classes.astype(np.int32), classes * 0)
        )
        found.append((im_id, detect(rng, boxes, classes, detections)))
    categories = [Category(index, f"class {index}") for index in range(CLASSES)]
    dataset: Any = SimpleNamespace(records=records, categories=categories, truth=None)
    settings = {"nms_threshold": "0.6"}
    return Evaluated("generated", dataset, dataset, "COCO", "11point", {"AP": 0.3}, found, [], "", settings)


def detect(rng: np.random.Generator, boxes: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """[count, 6] float32: boxes near three quarters of the objects, some of another class, and boxes elsewhere."""
    near = np.flatnonzero(rng.random(len(boxes)) < 0.75)[:count]
    moved = boxes[near] + rng.normal(0, 0.06, (len(near), 4)) * np.tile(boxes[near, 2:] - boxes[near, :2], 2)
    low = rng.uniform(0, 500, (count - len(near), 2))
    stray = np.hstack([low, low + np.exp(rng.normal(3.5, 0.8, low.shape))])
    kinds = np.concatenate([classes[near, 0], np.minimum(rng.geometric(0.06, len(stray)), CLASSES) - 1])
    kinds = np.where(rng.random(count) < 0.08, rng.integers(0, CLASSES, count), kinds)
    scores = np.concatenate([rng.beta(4, 3, len(near)), rng.beta(1, 12, len(stray))])
    return np.column_stack([kinds, scores, np.vstack([moved, stray])]).astype(np.float32)


def opened(page: Path) -> float | None:
    """Seconds until a browser that runs already has loaded and laid out the page; None without a browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        view = browser.new_page()
        view.goto("about:blank")
        start = time.perf_counter()
        view.goto(page.as_uri())
        view.evaluate("document.body.getBoundingClientRect().height")
        seconds = time.perf_counter() - start
        browser.close()
    return seconds


if __name__ == "__main__":
    sys.exit(main())
