"""Videos, streams and cameras: frames in, frames with boxes out."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TextIO

import cv2
import numpy as np

from .errors import DeployError, printable
from .files import atomic_path

SUFFIX = ".mp4"
HIGHEST_RATE = 1000.0  # some streams give the ticks of their clock as the rate
_CODEC, _USUAL_RATE = "mp4v", 30.0
_REMEDIES: dict[type, str] = {int: "check --camera_id", str: "check the address, and that the stream is on"}
_ENOUGH = 0.99  # share of the frames that the header announces; some containers only estimate it
_PROGRESS_SECONDS = 0.5, 10.0  # on a terminal; in a log


class Video(NamedTuple):
    """A video that is being read.

    frames  each [h, w, 3] uint8 BGR, an array of its own
    rate    frames per second; 30 if the source does not say
    size    (height, width) of all frames
    """

    frames: Iterator[np.ndarray]
    rate: float
    size: tuple[int, int]


Drawn = Callable[[Video], Generator[np.ndarray, None, None]]


def draw_video(
    source: Path | str | int,
    target: Path,
    drawn: Drawn,
    keep: Callable[[int], None] = lambda count: None,
) -> int:
    """Writes a video of what `drawn` makes of the frames of `source`; returns the number of frames.

    Args:
        source: a file, the address of a stream, or the number of a camera; the latter two until they end or Ctrl-C.
        target: the video to write.
        drawn: the video -> its frames to write, as many and of the same shape, one after the other. It may take frames
            ahead. Its iterator is closed at the end.
        keep: called with the number of frames if they are kept, before `target` appears: writes what belongs to it.

    Raises:
        DeployError: it cannot be read or written, or it ends before the number of frames that it announces; the frames
            before that are written.
        KeyboardInterrupt: Ctrl-C in a file. The frames so far are written unless they would replace an earlier result;
            the message says which.
    """
    is_file = isinstance(source, Path)
    name = shown_source(source)
    if isinstance(source, Path) and not source.is_file():
        raise DeployError(f"{name}: there is no such file")
    capture = cv2.VideoCapture(str(source) if is_file else source)
    try:
        ok, frame = capture.read()
        if not ok:
            remedy = "fetch it again, or convert it" if is_file else _REMEDIES[type(source)]
            raise DeployError(f"{name}: no frame can be read; {remedy}")
        announced = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))) if is_file else 0
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate <= HIGHEST_RATE else _USUAL_RATE
        video = Video(_frames(capture, frame), rate, (frame.shape[0], frame.shape[1]))
        with atomic_path(target) as temp:
            count, stopped = _write(video, temp, drawn, ProgressLine(name, announced))
            if stopped and (count == 0 or (is_file and target.exists())):
                raise KeyboardInterrupt(f"after {count} frames, which are not kept; {target} is as it was")
            keep(count)
    finally:
        capture.release()
    if stopped and is_file:
        raise KeyboardInterrupt(f"the first {count} frames are in {target}")
    if count < _ENOUGH * announced:
        raise DeployError(f"{name}: ends after {count} of {announced} frames; those are in {target}; fetch it again")
    return count


def shown_source(source: Path | str | int) -> str:
    """The name of the source in messages: an address without its user and password."""
    if isinstance(source, int):
        return f"camera {source}"
    return re.sub(r"(?<=://)[^/]*@", "", source) if isinstance(source, str) else str(source)


def stream_name(source: str | int) -> str:
    """A file name for the video of a stream or a camera: rtsp://me:secret@10.0.0.7:554/door -> 10.0.0.7_554_door."""
    if isinstance(source, int):
        return f"camera_{source}"
    address = shown_source(source).partition("://")[2].partition("?")[0]
    return re.sub(r"[^\w.-]+", "_", address).strip("_.") or "stream"


def _frames(capture: cv2.VideoCapture, frame: np.ndarray) -> Iterator[np.ndarray]:
    """`frame` and those after it, all of its size."""
    height, width = frame.shape[:2]
    ok = True
    while ok:
        same = frame.shape[:2] == (height, width)  # the writer would drop others silently
        yield frame if same else cv2.resize(frame, (width, height))
        ok, frame = capture.read()


def _write(video: Video, path: Path, drawn: Drawn, progress: ProgressLine) -> tuple[int, bool]:
    """Writes all frames; returns their number, and whether Ctrl-C ended it."""
    height, width = video.size
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*_CODEC), video.rate, (width, height))
    if not writer.isOpened():
        raise DeployError(
            f"{path.parent}: this OpenCV cannot write {SUFFIX} videos there; check the folder, or pip install "
            "opencv-python-headless"
        )
    count, stopped = 0, False
    try:
        with closing(drawn(video)) as images:
            for image in images:
                writer.write(image)
                count += 1
                progress.show(count)
    except KeyboardInterrupt:
        stopped = True
        print("\nstopped", file=sys.stderr)
    finally:
        writer.release()
        progress.end(count)
    return count, stopped


class ProgressLine:
    """Prints the number of frames and their rate: one line that is rewritten on a terminal, or some lines in a log."""

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
        line = f"{printable(self._name)}: {count}{of} frames, {rate:.1f} per second"
        print(line, end=end, file=self._stream, flush=True)
