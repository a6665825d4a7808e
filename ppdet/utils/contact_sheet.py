"""Contact sheets: many pictures with captions on one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from ppdet.core.errors import UserError

_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4
_CAPTION = 18  # pixels, the height of a caption
_GAP = 6  # pixels around each cell
_PAPER, _INK = 255, (40, 40, 40)
_CONTEXT = 0.4  # of the box's longer side, shown around it
_LEAST_CONTEXT = 8  # pixels
_THREADS = 4

Color = tuple[int, int, int]  # BGR, 0..255


def fitted(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The image with its longer side `side` pixels long, and the factor of its size. image: [h, w, 3] uint8."""
    factor = side / max(image.shape[:2])
    height, width = (max(1, round(length * factor)) for length in image.shape[:2])
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation)), factor


def close_up(
    image: np.ndarray, shown: Sequence[float] | np.ndarray, boxes: Sequence[tuple[np.ndarray, Color]], side: int
) -> np.ndarray:
    """The part of an image around a box, with its longer side `side` pixels long, and boxes drawn on it.

    Args:
        image: [h, w, 3] uint8 BGR.
        shown: x1, y1, x2, y2 in pixels; may reach outside the image.
        boxes: the boxes to draw, [4] each in the same form, and their colors.
        side: in pixels.
    """
    x1, y1, x2, y2 = shown
    margin = max(_CONTEXT * max(x2 - x1, y2 - y1), _LEAST_CONTEXT)
    left, right = pixel_range(x1 - margin, x2 + margin, image.shape[1])
    top, bottom = pixel_range(y1 - margin, y2 + margin, image.shape[0])
    picture, factor = fitted(image[top:bottom, left:right], side)
    for box, color in boxes:
        corners = placed(box, left, top, factor)
        cv2.rectangle(picture, corners[:2], corners[2:], color, 1)
    return picture


def pixel_range(low: float, high: float, length: int) -> tuple[int, int]:
    """The whole pixels from `low` to `high` that lie in 0..length, at least one."""
    start = int(np.clip(np.floor(low), 0, length - 1))
    return start, int(np.clip(np.ceil(high), start + 1, length))


def placed(box: Sequence[float] | np.ndarray, left: int, top: int, factor: float) -> list[int]:
    """The corners [4] of a box of the image in a picture that shows it from (left, top) on, `factor` times as large."""
    corners: list[int] = np.round((np.clip(box, -1e4, 1e5) - [left, top, left, top]) * factor).astype(int).tolist()
    return corners


def pictures_of(draw: Callable[[int], np.ndarray], numbers: Sequence[int] | np.ndarray, side: int) -> list[np.ndarray]:
    """The pictures that `draw` makes of the numbers; a gray field where it raises UserError: an unreadable image."""

    def draw_one(number: int) -> np.ndarray:
        try:
            return draw(number)
        except UserError:
            return np.full((side, side, 3), 128, np.uint8)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(draw_one, np.asarray(numbers).tolist()))


def contact_sheet(pictures: Sequence[np.ndarray], captions: Sequence[str], side: int, columns: int) -> np.ndarray:
    """A page [H, W, 3] uint8 BGR with the pictures in rows.

    Args:
        pictures: n > 0 images [h, w, 3] uint8 BGR, at most `side` pixels high and wide.
        captions: n texts; of a long one the end is shown, and "?" for letters that OpenCV cannot draw.
        side: pixels of a cell.
        columns: pictures in a row.
    """
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height, width = side + _CAPTION + _GAP, side + _GAP
    page = np.full((rows * height + _GAP, columns * width + _GAP, 3), _PAPER, np.uint8)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        top, left = _GAP + index // columns * height, _GAP + index % columns * width
        y, x = top + (side - picture.shape[0]) // 2, left + (side - picture.shape[1]) // 2
        page[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        at = (left, top + side + _CAPTION - 5)
        cv2.putText(page, _shortened(caption, side), at, _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    return page


def _shortened(text: str, width: int) -> str:
    """The text, or ".." and as much of its end as is at most `width` pixels wide."""
    text = text.encode("ascii", "replace").decode()
    ends = (text, *(f"..{text[start:]}" for start in range(3, len(text))))
    return next((end for end in ends if cv2.getTextSize(end, _FONT, _SCALE, 1)[0][0] <= width), "")
