"""Writing results: pictures and COCO's results layout. Files appear whole or not at all."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .detections import Detections
from .errors import DeployError

_WRITABLE = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its name at the end; folders are made. Raises DeployError."""
    temp = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temp
        temp.replace(path)
    except OSError as error:
        raise DeployError(f"{path}: cannot be written ({error.strerror}); check the folder and the space") from error
    finally:
        with suppress(OSError):
            temp.unlink()


def result_path(output_dir: Path, source: Path, suffixes: tuple[str, ...] = _WRITABLE, other: str = ".png") -> Path:
    """Where the result of `source` goes: under its name, with `other` after it where that cannot be written.

    Raises DeployError where that is the source itself.
    """
    path = output_dir / (source.name if source.suffix.lower() in suffixes else source.name + other)
    is_source = False
    with suppress(OSError):  # one of them is not there; a missing source is reported when it is read
        is_source = path.samefile(source)
    if is_source:
        raise DeployError(f"--output_dir: {path} is the input itself and would be replaced; choose another folder")
    return path


def encode_image(path: Path, image: np.ndarray) -> bytes:
    """`image` [h, w, 3] uint8 BGR in the format of the path's suffix. Raises DeployError where that cannot hold it."""
    try:
        ok, data = cv2.imencode(path.suffix, image)
    except cv2.error:  # some formats give False
        ok = False
    if not ok:
        height, width = image.shape[:2]
        raise DeployError(
            f"{path}: {width} x {height} pixels cannot be written as {path.suffix}; convert the image to PNG"
        )
    return bytes(data.tobytes())


def write_bytes(path: Path, data: bytes) -> None:
    with atomic_path(path) as temp:
        temp.write_bytes(data)


def coco_results(image_id: int, file_name: str, found: Detections) -> Iterator[dict[str, Any]]:
    """One entry per box; category_id is the class's index, category its name, bbox [x, y, w, h]."""
    for box, score, class_id, name in zip(found.boxes, found.scores, found.class_ids, found.names, strict=True):
        x1, y1, x2, y2 = box.tolist()
        yield {"image_id": image_id, "file_name": file_name, "category_id": int(class_id), "category": name,
               "bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(score)}  # fmt: skip


def write_json(path: Path, entries: Iterable[dict[str, Any]]) -> None:
    """The entries as one list."""
    with atomic_path(path) as temp:
        temp.write_text(json.dumps(list(entries)), encoding="utf-8")
