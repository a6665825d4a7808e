"""The C++ library of deploy/cpp, called through its C header."""

from __future__ import annotations

import ctypes
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
