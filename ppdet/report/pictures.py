"""Small pictures for the page: crops and thumbnails with boxes, as data URIs under a budget of bytes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.ops.decode import read_to_draw
from ppdet.utils.contact_sheet import fitted, pixel_range, placed

_CONTEXT = 0.7  # of the longer side of what a crop is about, shown around it
_LEAST_CONTEXT = 12  # pixels
_QUALITY = 72  # of JPEG: every browser and every OpenCV has it
_THREADS = 4
_COLORS = {"truth": (94, 158, 43), "found": (43, 130, 240), "other": (190, 190, 190)}  # BGR


Corners = tuple[float, float, float, float]  # xyxy in pixels of the image


class Box(NamedTuple):
    """A box to draw, and its part: "truth", "found" or "other"."""

    corners: Corners
    part: str


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        file: path of the image.
        boxes: what is drawn on it.
        caption: text below it.
        focus: xyxy of what is cut out, with some context; None: the whole image.
        size: (height, width) in the annotations; None if they have none.
        side: the longest side in pixels.
    """

    file: str
    boxes: Sequence[Box]
    caption: str
    focus: Corners | None = None
    size: tuple[int, int] | None = None
    side: int = 168


@dataclass
class Budget:
    """Bytes that the pictures of a page may still take."""

    left: int
    refused: int = 0

    def take(self, count: int) -> bool:
        """Whether `count` bytes fit; they are then spent."""
        fits = count <= self.left
        self.left -= count if fits else 0
        self.refused += not fits
        return fits


def draw_all(pictures: Sequence[Picture], budget: Budget) -> list[str]:
    """The data URI of each picture; "" if the image cannot be read, or the budget is spent.

    The pictures of one image are drawn after one reading of it.
    """
    by_file: dict[str, list[int]] = {}
    for index, picture in enumerate(pictures):
        by_file.setdefault(picture.file, []).append(index)
    made: dict[int, bytes] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for indices, drawn in zip(
            by_file.values(),
            pool.map(lambda indices: _draw_file([pictures[index] for index in indices]), by_file.values()),
            strict=True,
        ):
            made.update(zip(indices, drawn, strict=True))
    return [_uri(made[index], budget) for index in range(len(pictures))]


def draw_one(image: np.ndarray, picture: Picture) -> np.ndarray:
    """The picture [h, w, 3] uint8. image: the whole image, BGR."""
    left, top, right, bottom = _window(picture.focus, image.shape[1], image.shape[0])
    view, factor = fitted(image[top:bottom, left:right], picture.side)
    for box in picture.boxes:
        corners = placed(box.corners, left, top, factor)
        if box.part != "other":
            cv2.rectangle(view, corners[:2], corners[2:], (0, 0, 0), 3)  # a rim, for bright and dark images
        cv2.rectangle(view, corners[:2], corners[2:], _COLORS[box.part], 1 if box.part == "other" else 2)
    return view


def _window(focus: Corners | None, width: int, height: int) -> tuple[int, int, int, int]:
    """The whole pixels (left, top, right, bottom) around `focus`, inside the image, at least one."""
    if focus is None:
        return 0, 0, width, height
    x1, y1, x2, y2 = focus
    margin = max(_CONTEXT * max(x2 - x1, y2 - y1), _LEAST_CONTEXT)
    half = max(x2 - x1, y2 - y1) / 2 + margin  # a square view, so that pictures stand in even rows
    left, right = pixel_range((x1 + x2) / 2 - half, (x1 + x2) / 2 + half, width)
    top, bottom = pixel_range((y1 + y2) / 2 - half, (y1 + y2) / 2 + half, height)
    return left, top, right, bottom


def _draw_file(pictures: Sequence[Picture]) -> list[bytes]:
    try:
        image = read_to_draw(pictures[0].file, pictures[0].size)
    except UserError:
        return [b""] * len(pictures)
    return [encode(draw_one(image, picture)) for picture in pictures]


def encode(view: np.ndarray) -> bytes:
    """The picture [h, w, 3] uint8 BGR as a small JPEG."""
    return bytes(cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())


def _uri(data: bytes, budget: Budget) -> str:
    if not data or not budget.take(len(data) * 4 // 3):
        return ""
    return data_uri(data)


def data_uri(data: bytes) -> str:
    """The address of a JPEG inside of the page."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
