"""The C++ library of deploy/cpp, called through its C header, and its command line."""

from __future__ import annotations

import ctypes
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.workspaces import ROOT

SOURCE = ROOT / "deploy" / "cpp"
FORMATS = ("bgr", "rgb", "bgra", "rgba", "gray")


class _Image(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("format", ctypes.c_int32),
        ("stride", ctypes.c_size_t),
    )


class _Detection(ctypes.Structure):
    _fields_ = (("box", ctypes.c_float * 4), ("score", ctypes.c_float), ("class_id", ctypes.c_int32))


class CppDetector:
    """A loaded model. Raises RuntimeError with the library's message."""

    def __init__(self, library: Any, model: str, backend: str | None, threads: int, threshold: float) -> None:
        self._library, self._error = library, ctypes.create_string_buffer(1000)
        name = backend.encode() if backend else None
        self._handle = library.picodet_create(model.encode(), name, threads, threshold, self._error, 1000)
        if not self._handle:
            raise RuntimeError(self._error.value.decode())

    def __del__(self) -> None:
        self._library.picodet_destroy(self._handle)

    @property
    def labels(self) -> list[str]:
        count = self._library.picodet_num_classes(self._handle)
        return [self._library.picodet_label(self._handle, i).decode() for i in range(count)]

    def detect(self, image: np.ndarray, pixels: str = "bgr") -> np.ndarray:
        """Rows [n, 6] float32: x1, y1, x2, y2, score, class."""
        found = (_Detection * 1000)()
        height, width = image.shape[:2]
        given = _Image(image.ctypes.data, width, height, FORMATS.index(pixels), image.strides[0])
        count = self._library.picodet_detect(self._handle, ctypes.byref(given), found, 1000, self._error, 1000)
        if count < 0:
            raise RuntimeError(self._error.value.decode())
        rows = [[*each.box, each.score, each.class_id] for each in found[:count]]
        return np.array(rows, np.float32).reshape(-1, 6)


class CppDetectors:
    """Makes detectors of one library."""

    def __init__(self, path: Path) -> None:
        self._library = library = ctypes.CDLL(str(path))
        library.picodet_create.restype = ctypes.c_void_p
        library.picodet_create.argtypes = [
            *[ctypes.c_char_p] * 2,
            ctypes.c_int32,
            ctypes.c_float,
            ctypes.c_char_p,
            ctypes.c_size_t,
        ]
        library.picodet_destroy.argtypes = [ctypes.c_void_p]
        library.picodet_detect.restype = ctypes.c_int64
        library.picodet_detect.argtypes = [*[ctypes.c_void_p] * 3, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
        library.picodet_num_classes.argtypes = [ctypes.c_void_p]
        library.picodet_label.restype = ctypes.c_char_p
        library.picodet_label.argtypes = [ctypes.c_void_p, ctypes.c_int32]

    def __call__(
        self, model: str | Path, backend: str | None = None, threads: int = 1, threshold: float = -1
    ) -> CppDetector:
        return CppDetector(self._library, str(model), backend, threads, threshold)


def entries_of_cli(program: Path, model: Path, images: Path, backend: str, threshold: float) -> dict[str, np.ndarray]:
    """Rows [n, 6] of each image of a folder, by its name: class, score, x1, y1, x2, y2."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"image_dir": images, "backend": backend, "threshold": threshold, "output_dir": folder}
        flags = [f"--{name}={value}" for name, value in options.items()]
        flags += ["--threads=1", "--batch_size=4", "--save_images=false", "--save_results"]
        done = subprocess.run([program, f"--model={model}", *flags], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        entries = json.loads((Path(folder) / "bbox.json").read_text())
    found: dict[str, list[list[float]]] = {}
    for entry in entries:
        x, y, width, height = entry["bbox"]
        row = [entry["category_id"], entry["score"], x, y, x + width, y + height]
        found.setdefault(entry["file_name"], []).append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def difference(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> tuple[int, float, float]:
    """(boxes without a partner, largest distance of corners in pixels, of scores) of rows by image.

    A partner is the nearest box of the class whose corners are within half a pixel and whose score is within 0.001.
    """
    alone, pixels, scores = 0, 0.0, 0.0
    for name in ours.keys() | theirs.keys():
        mine, others = (side.get(name, np.empty((0, 6))) for side in (ours, theirs))
        alone += abs(len(mine) - len(others))
        for row in others:
            rivals = mine[(mine[:, 0] == row[0]) & (np.abs(mine[:, 1] - row[1]) <= 1e-3)]
            distances = np.abs(rivals[:, 2:] - row[2:]).max(axis=1)
            if not len(rivals) or distances.min() > 0.5:
                alone += 1
                continue
            pixels = max(pixels, float(distances.min()))
            scores = max(scores, float(np.abs(rivals[distances.argmin(), 1] - row[1])))
    return alone, pixels, scores
