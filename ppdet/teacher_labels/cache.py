"""The file of a teacher's detections on a data set, so that they are computed once.

Its name holds a checksum of what the detections depend on: the model, its preprocessing, and the images. Of an image
the checksum takes name, annotated size, bytes and time of change, because reading every image would take as long as
decoding it. Names are relative to the data set's folder, which may be moved.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.deploy.checksum import model_checksum
from ppdet.deploy.detector import Detector
from ppdet.deploy.files import atomic_path
from ppdet.teacher_labels.detect import LOWEST, ImageFile
from ppdet.utils.files import sha256

logger = logging.getLogger(__name__)

_FORMAT = 1
_NOT_DETECTED = (
    "source",
    "threshold",
    "thresholds",
    "checksum",
    "category_ids",
)  # of infer_cfg: no detection needs them


def fingerprint(detector: Detector, files: Sequence[ImageFile], root: Path) -> str:
    """The SHA-256 of everything that the detections in `files` depend on, in hexadecimal digits."""
    settings = {name: value for name, value in asdict(detector.config).items() if name not in _NOT_DETECTED}
    facts = [_FORMAT, LOWEST, model_checksum(detector.file), json.dumps(settings, default=np.ndarray.tolist)]
    facts += [sha256(file) for file in _outside_weights(detector.file)]
    digest = hashlib.sha256(repr(facts).encode())
    for path, size in files:
        file = Path(path)
        state = file.stat() if file.is_file() else None
        name = file.relative_to(root) if file.is_relative_to(root) else file
        image = (name.as_posix(), size, state and (state.st_size, state.st_mtime_ns))
        digest.update(repr(image).encode("utf-8", "replace"))
    return digest.hexdigest()


def _outside_weights(model: Path) -> list[Path]:
    """The files of weights beside an ONNX file, as exporters name them: `model.onnx.data`, `model.onnx_data`."""
    return sorted(file for file in model.parent.glob(f"{escape(model.name)}[._]*") if file.is_file())


def read(path: Path, key: str, num_images: int) -> list[np.ndarray]:
    """The detections of the first images, as `detect` yields them; all images, if the file was completed.

    Returns an empty list if there is no such file. A file that is damaged or not of the fingerprint `key` also gives an
    empty list, and a warning.
    """
    if not path.exists():
        return []
    try:
        with np.load(path, allow_pickle=False) as file:
            found, counts, rows = str(file["fingerprint"]), file["counts"], file["rows"]
        if found != key:
            raise ValueError("it belongs to another model or other images")
        return _split(counts, rows, num_images)
    except Exception as error:  # NumPy and zipfile raise many kinds, which are not all documented
        logger.warning("%s: is not used (%s); the detections are made again", path, error)
        return []


def _split(counts: Any, rows: Any, num_images: int) -> list[np.ndarray]:
    kinds = (counts.dtype, counts.ndim, rows.dtype, rows.shape[1:])
    if kinds != (np.int64, 1, np.float32, (6,)) or len(counts) > num_images:
        raise ValueError("it holds other arrays")
    if counts.min(initial=0) < 0 or counts.sum() != len(rows) or not np.isfinite(rows).all():
        raise ValueError("its numbers are wrong")
    return np.split(rows, np.cumsum(counts)[:-1]) if len(counts) else []


def write(path: Path, key: str, detections: Sequence[np.ndarray]) -> None:
    """Writes the detections of the first images. Raises UserError if the folder cannot be written or is full."""
    counts = np.array([len(rows) for rows in detections], np.int64)
    rows = np.concatenate([np.empty((0, 6), np.float32), *detections])
    try:
        with atomic_path(path) as temp:
            np.savez(temp, fingerprint=np.array(key), counts=counts, rows=rows)
    except UserError as error:
        raise UserError(f"TeacherLabels.cache_dir: {error}, or name another folder") from error
