"""`ppdet data check` on generated sets: images per second, memory, the search for near duplicates.

    python3 benchmarks/data_check.py                           # 500 and 2,000 JPEGs of 640 x 480
    python3 benchmarks/data_check.py --near_duplicates 20000   # 64 x 48: random, of few scenes, all alike
    python3 benchmarks/data_check.py --annotations 1000000     # the same boxes in every format: reading, checking

Each measurement runs in a process of its own, so that its peak memory can be told.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppdet.data.datasets.auto import find_format
from ppdet.data_check.check import check_splits, with_pixels
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.pixels import inspect_all
from ppdet.data_check.read import read_split
from ppdet.data_check.similar import all_similar_pairs, similar_pairs
from ppdet.data_edit.convert import write
from ppdet.data_edit.groups import connected
from ppdet.data_edit.read import read_parts

LABELS = tuple("abcdefgh")
Times = dict[str, tuple[float, float]]  # by name: seconds, and those of the processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=500, help="and four times as many")
    parser.add_argument("--near_duplicates", type=int, metavar="N", help="images to search instead")
    parser.add_argument("--annotations", type=int, metavar="N", help="boxes on 10,000 images to read instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if args.near_duplicates:
            for kind in (random_pictures, few_scenes, all_alike):
                print(f"{kind.__name__}: {apart(search, root / kind.__name__, kind, args.near_duplicates)}", flush=True)
        elif args.annotations:
            read_all_formats(root, args.annotations)
        else:
            for count in (args.images, 4 * args.images):
                write_set(root / str(count), count, 640, 480, 10 * count)
                print(f"{count} images: {apart(check, root / str(count))}", flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


def apart(task: Callable[..., str], *args: Any) -> str:
    """The result of a task in a new process, with the memory that it took at most beyond its imports."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, task, *args).result()


def _measured(task: Callable[..., str], *args: Any) -> str:
    logging.disable(logging.WARNING)
    before = memory("VmRSS")
    result = task(*args)
    return f"{result}; peak {memory('VmHWM'):.0f} MB, {before:.0f} before"


def memory(field: str) -> float:
    """MB of this process, as Linux tells them."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) / 1024


@contextmanager
def timed(times: Times, name: str) -> Iterator[None]:
    start, used = time.perf_counter(), time.process_time()
    yield
    times[name] = time.perf_counter() - start, time.process_time() - used


def listed(times: Times) -> str:
    return ", ".join(
        f"{name} {seconds:.1f} s ({used:.1f} of processor time)" for name, (seconds, used) in times.items()
    )


def check(root: Path) -> str:
    """The whole of `ppdet data check`."""
    start, used = time.perf_counter(), time.process_time()
    datasets, network = datasets_of(root, [], None)
    splits = with_pixels([read_split(name, dataset, network) for name, dataset in datasets.items()])
    check_splits(splits)
    count = sum(len(split.images) for split in splits)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return f"{count / seconds:.0f} images/s, {count / used:.0f} for a second of processor time"


def search(root: Path, picture: Callable[[int], np.ndarray], count: int) -> str:
    """Decodes the pictures, then looks for pairs as `check` and for groups as `split`."""
    root.mkdir()
    for number in range(count):
        cv2.imwrite(str(root / f"{number}.jpg"), picture(number))
    times: Times = {}
    with timed(times, "reading and decoding"):
        pixels = inspect_all([str(root / f"{number}.jpg") for number in range(count)])
    hashes = np.array([each.hash for each in pixels if each], np.uint64)
    thumbnails = np.stack([each.thumbnail.ravel() for each in pixels if each and each.thumbnail is not None])
    with timed(times, "pairs (check)"):
        pairs = similar_pairs(hashes, thumbnails)
    with timed(times, "groups (split)"):
        groups = connected(count, all_similar_pairs(hashes, thumbnails))
    return f"{listed(times)}; {len(np.unique(hashes))} hashes, {len(pairs)} pairs, {groups.max() + 1} groups"


def random_pictures(number: int) -> np.ndarray:
    """Every hundredth repeats the one before it."""
    coarse = np.random.default_rng(number - (number % 100 == 99)).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)


def few_scenes(number: int) -> np.ndarray:
    """20 scenes, each with a little noise."""
    noise = np.random.default_rng(number).integers(0, 3, (48, 64, 3)).astype(np.uint8)
    return cv2.add(random_pictures(1000 + number % 20), noise)


def all_alike(number: int) -> np.ndarray:
    """One scene with a little noise."""
    return few_scenes(20 * number)


def read_all_formats(root: Path, boxes: int) -> None:
    write_set(root / "coco", 10_000, 64, 48, boxes)
    formats = {"coco": root / "coco", "yolo": root / "yolo", "voc": root / "voc", "csv": root / "csv"}
    apart(convert, root)
    for name, folder in formats.items():
        print(f"{name}: {apart(read, folder)}", flush=True)


def convert(root: Path) -> str:
    """Writes the set in the other formats."""
    parts = read_parts(root / "coco", [])
    write(root / "yolo", parts, "yolo")
    write(root / "voc", parts, "voc")
    (root / "csv").mkdir()
    (root / "csv" / "images").symlink_to(root / "coco" / "train")
    with (root / "csv" / "train.csv").open("w") as file:
        for picture in parts[0].pictures:
            for each in picture.objects:
                x, y, width, height = each.box or ()
                name = Path(picture.file).name
                file.write(f"{name},{x},{y},{x + width},{y + height},{LABELS[each.class_index]}\n")
    return ""


def read(root: Path) -> str:
    """Reads for training, and reads and checks without the pixels."""
    times: Times = {}
    cls, parts = find_format(root)
    with timed(times, "reading for training"):
        cls(**{"dataset_dir": str(root)} | parts[0].options).load()
    with timed(times, "check"):
        datasets, network = datasets_of(root, ["train"] if len(parts) > 1 else [], None)
        check_splits(with_pixels([read_split(name, dataset, network) for name, dataset in datasets.items()]))
    return listed(times)


def write_set(root: Path, count: int, width: int, height: int, boxes: int) -> None:
    """A COCO set of smooth random pictures."""
    (root / "train").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = []
    for number in range(count):
        coarse = rng.integers(0, 255, (height // 8, width // 8, 3)).astype(np.uint8)
        name = f"{number:06}.jpg"
        cv2.imwrite(str(root / "train" / name), cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
        images.append({"id": number, "file_name": name, "width": width, "height": height})
    corners = rng.uniform(0, 0.7, (boxes, 2)) * (width, height)
    sides = rng.uniform(0.05, 0.3, (boxes, 2)) * (width, height)
    annotations = [
        {"id": i + 1, "image_id": i % count, "category_id": i % len(LABELS), "bbox": box, "area": box[2] * box[3]}
        for i, box in enumerate(np.hstack([corners, sides]).round(2).tolist())
    ]
    categories = [{"id": index, "name": name} for index, name in enumerate(LABELS)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main()
