"""Contact sheets: many pictures with captions on one page."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4
_CAPTION = 18  # pixels, the height of a caption
_GAP = 6  # pixels around each cell
_PAPER, _INK = 255, (40, 40, 40)


def fitted(image: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """The image with its longer side `side` pixels long, and the factor of its size. image: [h, w, 3] uint8."""
    factor = side / max(image.shape[:2])
    height, width = (max(1, round(length * factor)) for length in image.shape[:2])
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation)), factor


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
