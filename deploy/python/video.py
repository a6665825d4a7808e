"""Videos and cameras: frames in, frames with boxes out."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np

from .errors import DeployError
from .outputs import atomic_path

SUFFIX = ".mp4"
_CODEC, _USUAL_RATE = "mp4v", 30.0
_ENOUGH = 0.99  # of the frames that the header counts, which some containers only estimate
_PROGRESS_SECONDS = 0.5, 10.0  # on a terminal; in a log


def draw_video(source: Path | int, target: Path, drawn: Callable[[np.ndarray], np.ndarray]) -> int:
    """Write each frame of a file, or of a camera until Ctrl-C, through `drawn` (BGR -> BGR); returns how many.

    Raises DeployError where it cannot be read or written, or ends before the frames that it announces; what was there
    is written then. Raises KeyboardInterrupt, which says what became of the frames so far, after Ctrl-C in a file: they
    are written unless that would replace an earlier result.
    """
    is_camera = isinstance(source, int)
    name = f"camera {source}" if is_camera else str(source)
    if isinstance(source, Path) and not source.is_file():
        raise DeployError(f"{name}: there is no such file")
    capture = cv2.VideoCapture(source if is_camera else str(source))
    try:
        ok, frame = capture.read()
        if not ok:
            remedy = "check --camera_id" if is_camera else "fetch it again, or convert it"
            raise DeployError(f"{name}: no frame can be read; {remedy}")
        announced = 0 if is_camera else max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        rate = capture.get(cv2.CAP_PROP_FPS)
        with atomic_path(target) as temp:
            rate = rate if math.isfinite(rate) and rate > 0 else _USUAL_RATE
            count, stopped = _copy(capture, frame, temp, rate, drawn, Progress(name, announced))
            if stopped and (count == 0 or (not is_camera and target.exists())):
                raise KeyboardInterrupt(f"after {count} frames, which are not kept; {target} is as it was")
    finally:
        capture.release()
    if stopped and not is_camera:
        raise KeyboardInterrupt(f"the first {count} frames are in {target}")
    if count < _ENOUGH * announced:
        raise DeployError(f"{name}: ends after {count} of {announced} frames; those are in {target}; fetch it again")
    return count


def _copy(
    capture: cv2.VideoCapture,
    frame: np.ndarray,
    path: Path,
    rate: float,
    drawn: Callable[[np.ndarray], np.ndarray],
    progress: Progress,
) -> tuple[int, bool]:
    """How many frames, and whether Ctrl-C ended it."""
    height, width = frame.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*_CODEC), rate, (width, height))
    if not writer.isOpened():
        raise DeployError(f"{path.parent}: this OpenCV cannot write {SUFFIX} videos there; check the folder, or "
                          "pip install opencv-python-headless")  # fmt: skip
    count, ok, stopped = 0, True, False
    try:
        while ok:
            if frame.shape[:2] != (height, width):  # the writer would drop it silently
                frame = cv2.resize(frame, (width, height))
            writer.write(drawn(frame))
            count += 1
            progress.show(count)
            ok, frame = capture.read()
    except KeyboardInterrupt:
        stopped = True
        print("\nstopped", file=sys.stderr)
    finally:
        writer.release()
        progress.end(count)
    return count, stopped


class Progress:
    """Frames done, of how many, how fast: one line that is rewritten on a terminal, a line now and then in a log."""

    def __init__(self, name: str, total: int, stream: TextIO | None = None) -> None:
        self._name, self._total, self._stream = name, total, stream or sys.stderr
        self._start = self._shown = time.monotonic()
        self._live = self._stream.isatty()

    def show(self, count: int) -> None:
        now = time.monotonic()
        if now - self._shown >= _PROGRESS_SECONDS[not self._live]:
            self._shown = now
            self._print(count, "\r" if self._live else "\n")

    def end(self, count: int) -> None:
        self._print(count, "\n")

    def _print(self, count: int, end: str) -> None:
        rate = count / max(time.monotonic() - self._start, 1e-6)
        of = f" of {self._total}" if self._total else ""
        print(f"{self._name}: {count}{of} frames, {rate:.1f} per second", end=end, file=self._stream, flush=True)
