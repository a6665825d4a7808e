"""Runs an exported model on the images of a data set."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ppdet.core.errors import UserError
from ppdet.data.ops.decode import read_image
from ppdet.deploy.detections import Detections, to_rows
from ppdet.deploy.detector import Detector

logger = logging.getLogger(__name__)

LOWEST = 0.05  # the least score of a detection that is kept
_AT_ONCE = 16  # images in memory
_PART_SECONDS = 60.0


class ImageFile(NamedTuple):
    """An image of a data set.

    Attributes:
        path: the file.
        size: (height, width) in the annotations, which can tell that boxes are those of the image before its EXIF
            orientation is applied; None if they have none.
    """

    path: str
    size: tuple[int, int] | None = None


def detect(detector: Detector, files: Sequence[ImageFile], start: int = 0) -> Iterator[list[np.ndarray]]:
    """Yields the detections in `files[start:]`, in order, in parts that take about a minute each.

    The detections in an image are rows [n, 6] float32 (class, score, x1, y1, x2, y2), the most confident first, in
    pixels of the image as a training reads it, and inside of it. An image that cannot be read has none; a warning
    counts such images.

    Args:
        detector: the model, which takes arrays in RGB.
        files: the images.
        start: how many of them are done already.
    """
    part, faults, began = list[np.ndarray](), list[str](), time.monotonic()
    bar = tqdm(total=len(files), desc="teacher", unit="image", initial=start, disable=None)
    with bar, ThreadPoolExecutor(detector.threads) as pool:
        for first in range(start, len(files), _AT_ONCE):
            images = list(pool.map(_read, files[first : first + _AT_ONCE]))
            faults += [image for image in images if isinstance(image, str)]
            part += _detect(detector, images)
            bar.update(len(images))
            if time.monotonic() - began > _PART_SECONDS:
                yield part
                part, began = [], time.monotonic()
    if faults:
        message = "%s (%d of %d images cannot be read: the teacher finds nothing there)"
        logger.warning(message, faults[0], len(faults), len(files))
    if part:
        yield part


def _read(file: ImageFile) -> np.ndarray | str:
    """The image [h, w, 3] uint8 RGB, or what is wrong with it."""
    try:
        return read_image(*file)
    except UserError as error:
        return str(error)


def _detect(detector: Detector, images: Sequence[np.ndarray | str]) -> list[np.ndarray]:
    readable = [image for image in images if isinstance(image, np.ndarray)]
    found = iter(detector.detect(readable, LOWEST))
    nothing = np.empty((0, 6), np.float32)
    return [nothing if isinstance(image, str) else _rows(next(found), image) for image in images]


def _rows(found: Detections, image: np.ndarray) -> np.ndarray:
    """The rows of the detections, cut at the image's edges, without those of less than a pixel."""
    rows = to_rows(found).astype(np.float32)
    rows[:, 2:] = rows[:, 2:].clip(0, np.array([image.shape[1], image.shape[0]] * 2, np.float32))
    return rows[(rows[:, 4:] - rows[:, 2:4] >= 1).all(axis=1)]
