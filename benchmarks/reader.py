"""The training reader against the published operations, on one core; then its worker processes.

    python3 benchmarks/reader.py [--dataset_dir FOLDER] [--repeats 5]

FOLDER is in COCO's format (train2017, annotations/instances_train2017.json). Plain is what release 2.6 computes,
operation by operation in NumPy and OpenCV, with the same random numbers as ours. Ours writes each batch into the same
memory, as the Loader's few buffers are used again while training; plain makes new arrays, as the published reader does.
With tensors, the batch is given to Paddle and forgotten: training uses it, and no convolution is part of the time.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measure import interleaved, report

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ppdet.catalog import load_classes  # noqa: E402
from ppdet.core.builder import Builder  # noqa: E402
from ppdet.core.config import load_config  # noqa: E402
from ppdet.data.datasets import COCODataSet  # noqa: E402
from ppdet.data.loading.loader import Loader  # noqa: E402
from ppdet.data.ops import color  # noqa: E402
from ppdet.data.ops.decode import read_image  # noqa: E402
from ppdet.utils.streams import Stream, generator  # noqa: E402

SHARED = Path(os.environ.get("PPDET_SHARED", ROOT.parent / "shared"))
READERS = {"picodet_s_320_coco_lcnet": [256, 288, 320, 352, 384], "picodet_l_640_coco_lcnet": [576, 608, 640, 672, 704]}
AUGMENTED = {
    "published": {},
    "BatchMosaic": {"batch_transforms": {"BatchMosaic": {}}},
    "BatchMosaic with mixup": {"batch_transforms": {"BatchMosaic": {"mixup_prob": 1.0}}},
    "RandomAffine": {"sample_transforms": {"RandomAffine": {}}},
    "Mosaic": {"sample_transforms": {"Mosaic": {}}},
}
GRAY = 255 * 0.225  # gray levels of one unit of a normalized image
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
TO_RGB = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])


# ---- the published operations ----


def decode(path: str) -> np.ndarray:
    data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def crop(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    thresholds: list[float | None] = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, None]
    rng.shuffle(thresholds)
    for threshold in thresholds:
        if threshold is None:
            return image, boxes
        for _ in range(50):
            scale = rng.uniform(0.3, 1.0)
            aspect = rng.uniform(max(0.5, scale**2), min(2.0, scale**-2))
            h, w = int(height * (scale / np.sqrt(aspect))), int(width * (scale * np.sqrt(aspect)))
            y, x = rng.integers(0, max(height - h, 1)), rng.integers(0, max(width - w, 1))
            window = np.array([x, y, x + w, y + h], np.float32)
            low, high = np.maximum(boxes[:, :2], window[:2]), np.minimum(boxes[:, 2:], window[2:])
            overlap = np.prod(high - low, axis=1) * (low < high).all(axis=1)
            area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + w * h
            if (overlap / (area - overlap + 1e-10)).max() < threshold:
                continue
            centers = (boxes[:, :2] + boxes[:, 2:]) / 2
            inside = ((window[:2] <= centers) & (centers < window[2:])).all(axis=1) & (low < high).all(axis=1)
            if inside.any():
                moved = np.concatenate([low, high], axis=1) - np.tile(window[:2], 2)
                return image[y : y + h, x : x + w].copy(), moved[inside]
    return image, boxes


def flip(image: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if rng.uniform(0, 1) >= 0.5:
        return image, boxes
    flipped = boxes.copy()
    flipped[:, [0, 2]] = image.shape[1] - boxes[:, [2, 0]]
    return image[:, ::-1], flipped


def distort(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    for index in rng.permutation(4):
        if rng.uniform(0, 1) < 0.5:
            continue
        image = image.astype(np.float32)
        amount = rng.uniform(-18, 18) if index == 3 else rng.uniform(0.5, 1.5)
        if index == 0:
            image += amount
        elif index == 1:
            image *= amount
        elif index == 2:
            gray = (image * np.array([[[0.299, 0.587, 0.114]]], np.float32)).sum(axis=2, keepdims=True)
            image *= amount
            image += gray * (1 - amount)
        else:
            u, w = np.cos(amount * np.pi), np.sin(amount * np.pi)
            turn = TO_RGB @ np.array([[1, 0, 0], [0, u, -w], [0, w, u]]) @ TO_YIQ
            image = np.dot(image, turn.T.astype(np.float32))
    return image


def resize(image: np.ndarray, side: int, interp: int) -> np.ndarray:
    x, y = side / image.shape[1], side / image.shape[0]
    return cv2.resize(image, None, fx=x, fy=y, interpolation=interp).astype(np.float32)


def normalize(image: np.ndarray) -> np.ndarray:
    image *= 1 / 255.0
    image -= MEAN
    image /= STD
    return image


def plain_batch(batch_builder: Any, sides: list[int], batch: list[Any]) -> np.ndarray:
    """[B, 3, side, side] float32: the images of what batch_builder(batch) gives."""
    samples = []
    for sample in batch:
        record = batch_builder.records[sample.index]
        rng = generator(Stream.SAMPLE, batch_builder.seed, sample.epoch, batch_builder.rank, sample.index)
        image, boxes = crop(decode(record.im_file), record.gt_bbox, rng)
        image, boxes = flip(image, boxes, rng)
        samples.append(distort(image, rng))
    rng = generator(Stream.BATCH, batch_builder.seed, batch[0].epoch, batch[0].step)
    side, interp = sides[rng.choice(len(sides))], (0, 1, 3, 2, 4)[rng.choice(5)]
    return np.stack([normalize(resize(image, side, interp)).transpose(2, 0, 1) for image in samples])


# ---- the measurements ----


def bound(dataset: COCODataSet, name: str, *options: str) -> Loader:
    cfg = load_config(ROOT / "configs/picodet" / f"{name}.yml", ["worker_num=0", "TrainReader.batch_size=8", *options])
    return Builder(cfg).build("TrainReader").bind(dataset)


def check(dataset: COCODataSet, name: str, sides: list[int]) -> None:
    """Exact equals plain, and ours differs by rounding."""
    ours, exact = bound(dataset, name)._batch_builder, bound(dataset, name, "TrainReader.exact=true")._batch_builder
    for batch in batches(bound(dataset, name), 0):
        plain = plain_batch(ours, sides, batch)
        for build, most, mean in ((exact, 0.02, 0.001), (ours, 8, 0.6)):
            difference = np.abs(build(batch)["image"] - plain) * GRAY
            assert difference.max() < most, difference.max()
            assert difference.mean() < mean, difference.mean()
    print(f"{name}: exact equals plain, and ours differs by rounding (mean below 0.6 gray levels)")


def batches(loader: Loader, epoch: int) -> list[Any]:
    return list(loader._sampler.batches(epoch))


def one_core(dataset: COCODataSet, name: str, sides: list[int], repeats: int) -> None:
    kinds = {"ours": [], "ours, cache: ram": ["TrainReader.cache=ram"], "ours, exact": ["TrainReader.exact=true"]}
    loaders = {key: bound(dataset, name, *options) for key, options in kinds.items()}
    orders = [batch for epoch in range(4) for batch in batches(loaders["ours"], epoch)]
    images = sum(map(len, orders))

    buffer = np.empty(loaders["ours"]._buffer_bytes, np.uint8)  # used again and again, as by the Loader

    def each(build: Callable[[Any], Any]) -> None:
        for batch in orders:  # and forget it, as training does
            build(batch)

    ways: dict[str, Callable[[], Any]] = {
        "plain": lambda: each(lambda batch: plain_batch(loaders["ours"]._batch_builder, sides, batch))
    }
    for key, loader in loaders.items():
        ways[key] = lambda build=loader._batch_builder: each(lambda batch: build(batch, buffer))
    decoded = [decode(record.im_file) for record in dataset.records]
    square = [cv2.resize(image, (sides[2], sides[2])) for image in decoded]
    out, mixed = np.empty((3, sides[2], sides[2]), np.float32), color.normalize(MEAN, STD, True)
    limits: dict[str, Callable[[], Any]] = {
        "decode alone": lambda: [read_image(record.im_file) for record in dataset.records],
        f"resize alone ({sides[2]}, linear)": lambda: [cv2.resize(image, (sides[2], sides[2])) for image in decoded],
        "color pass alone": lambda: [color.write_mapped(image, mixed, out) for image in square],
    }
    print(f"{name}, one core")
    report("ms/image", per_image(interleaved(ways, repeats), images))
    report("ms/image", per_image(interleaved(limits, repeats), len(dataset)))


def workers(dataset: COCODataSet, name: str, repeats: int) -> None:
    dataset.records = dataset.records * 6  # an epoch long enough for its start not to count
    loaders = {f"{number} workers": bound(dataset, name, f"worker_num={number}") for number in (0, 1, 2)}
    dataset.records = dataset.records[: len(dataset.records) // 6]
    epochs = range(1)
    ways = {
        key: lambda loader=loader: [sum(1 for _ in loader.epoch(epoch)) for epoch in epochs]
        for key, loader in loaders.items()
    }
    print(f"{name}, {len(os.sched_getaffinity(0))} cores, tensors")
    report("ms/image", per_image(interleaved(ways, repeats), 8 * len(loaders["0 workers"]) * len(epochs)))
    for loader in loaders.values():
        loader.close()


def augmented(dataset: COCODataSet, name: str, repeats: int) -> None:
    """The published reader, and the same one with each augmentation on every image."""
    reader = load_config(ROOT / "configs/picodet" / f"{name}.yml").to_dict()["TrainReader"]
    loaders = {}
    for key, changes in AUGMENTED.items():
        lists = {part: list(reader[part]) for part in ("sample_transforms", "batch_transforms")}
        for part, transform in changes.items():
            lists[part].insert(1, transform)  # after Decode, or after BatchRandomResize
        options = [f"TrainReader.{part}={json.dumps(transforms)}" for part, transforms in lists.items()]
        loaders[key] = bound(dataset, name, *options, *(["TrainReader.mosaic_epoch=0"] if key == "Mosaic" else []))
    orders = [batch for epoch in range(4) for batch in batches(loaders["published"], epoch)]
    buffer = np.empty(max(loader._buffer_bytes for loader in loaders.values()), np.uint8)

    def read(loader: Loader) -> None:
        for batch in orders:
            loader._batch_builder(batch, buffer)

    ways = {key: lambda loader=loader: read(loader) for key, loader in loaders.items()}
    print(f"{name}, one core, augmented")
    report("ms/image", per_image(interleaved(ways, repeats), sum(map(len, orders))))


def per_image(seconds: dict[str, list[float]], images: int) -> dict[str, list[float]]:
    return {key: [1000 * value / images for value in values] for key, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset_dir", default=str(SHARED / "data/coco_tiny"))
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    cv2.setNumThreads(0)
    load_classes()
    dataset = COCODataSet(args.dataset_dir, "train2017", "annotations/instances_train2017.json", sample_num=50).load()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    augmented(dataset, "picodet_s_416_coco_lcnet", args.repeats)
    for name, sides in READERS.items():
        os.sched_setaffinity(0, {min(cores)})
        check(dataset, name, sides)
        one_core(dataset, name, sides, args.repeats)
        os.sched_setaffinity(0, cores)
        workers(dataset, name, args.repeats)


if __name__ == "__main__":
    main()
