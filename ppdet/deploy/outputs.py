"""Results of images: where they go, and what they look like in files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .errors import DeployError

WRITABLE = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def result_path(output_dir: Path, source: Path, suffixes: tuple[str, ...] = WRITABLE, other: str = ".png") -> Path:
    """The path of the result of `source`: its own name, plus `other` if its suffix is not one of `suffixes`.

    Raises DeployError if that is the source itself.
    """
    path = output_dir / (source.name if source.suffix.lower() in suffixes else source.name + other)
    if is_same_file(path, source):
        raise DeployError(f"--output_dir: {path} is the input itself and would be replaced; choose another folder")
    return path


def is_same_file(path: Path, other: Path) -> bool:
    """True if both paths exist and are the same file. A missing input is reported when it is read."""
    with suppress(OSError):
        return path.samefile(other)
    return False


def encode_image(path: Path, image: np.ndarray) -> bytes:
    """Encodes `image` [h, w, 3] uint8 BGR in the format of the path's suffix. Raises DeployError if that fails."""
    try:
        ok, data = cv2.imencode(path.suffix, image)
    except cv2.error:  # some formats return False
        ok = False
    if not ok:
        size = f"{image.shape[1]} x {image.shape[0]} pixels"
        raise DeployError(f"{path}: {size} cannot be written as {path.suffix}; convert the image to PNG")
    return bytes(data.tobytes())


def box_entry(box: Sequence[float], score: float) -> dict[str, Any]:
    """The box in COCO's results layout: `bbox` [x, y, w, h] and `score`.

    box: x1, y1, x2, y2 in pixels of the image.
    """
    x1, y1, x2, y2 = box
    return {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
