"""Lists image files, and reads them as BGR uint8 arrays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .errors import DeployError
from .image_files import ImageProblem, checked_header, decode, read_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def read_image(path: str | Path) -> np.ndarray:
    """The image at `path`, [h, w, 3] BGR uint8, turned upright by its EXIF orientation, whatever it was stored as.

    Raises DeployError that names the file if it is missing, empty, cut short, too large or not an image.
    """
    try:
        return decode(*read_file(path))
    except ImageProblem as problem:
        raise DeployError(f"{path}: {problem}") from None


def decode_image(data: bytes, name: str | Path) -> np.ndarray:
    """An encoded image in memory, as `read_image` returns it; messages call it `name`."""
    try:
        return decode(data, checked_header(data))
    except ImageProblem as problem:
        raise DeployError(f"{name}: {problem}") from None


def three_channels(image: np.ndarray) -> np.ndarray:
    """An array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4] uint8 as [h, w, 3]; no copy if it has that shape already.

    The order of the colors stays; the fourth channel (alpha) is dropped. Raises DeployError if it is no such array.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = f"array of {image.dtype}" if isinstance(image, np.ndarray) else type(image).__name__
        raise DeployError(f"image: found {found}; expected a path or an array [h, w, 3] of uint8")
    shape = image.shape
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise DeployError(f"image: found an array of shape {list(shape)}; expected [h, w, 3]")
    if len(shape) == 2 or shape[2] == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    return image if shape[2] == 3 else image[:, :, :3]


def list_images(path: str | Path) -> list[Path]:
    """The image files of a folder, sorted by name, without hidden ones (macOS adds `._a.jpg` beside a.jpg).

    The path of a file gives that file. Raises DeployError if there is none.
    """
    if "://" in str(path):
        raise DeployError(f"{path}: found an address; expected an image or a folder of images; fetch it first")
    path = Path(path)
    if not path.exists():
        raise DeployError(f"{path}: there is no such file or folder; give an image or a folder of images")
    if not path.is_dir():
        return [path]
    named = (file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    files = sorted(file for file in named if not file.is_dir())  # broken links and pipes are named when they are read
    if not files:
        raise DeployError(f"{path}: holds no images ({', '.join(SUFFIXES)})")
    return files
