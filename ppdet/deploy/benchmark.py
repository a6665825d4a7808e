"""Where the time of detection goes: decode, preprocess, network (with the NMS that is in it), post, and the total."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .detector import Detector
from .errors import DeployError

STAGES = ("decode", "preprocess", "network", "post", "total")
_WEIGHTS = {".xml": ".bin", ".json": ".pdiparams", ".pdmodel": ".pdiparams"}  # the file beside the model
_BLOCK = 4  # timed batches in a row of one way, after one that is not timed: the threads of the others come to rest


@dataclass(frozen=True)
class Way:
    """A detector, and how many images it gets at a time. Raises DeployError where they are too many for it."""

    detector: Detector
    batch_size: int = 1

    def __post_init__(self) -> None:
        most = self.detector.most_at_once
        if most and self.batch_size > most:
            raise DeployError(f"--batch_size: found {self.batch_size}; {self.detector.file} takes at most {most} at a "
                              "time; give that, or export the model for more")  # fmt: skip

    @property
    def label(self) -> dict[str, Any]:
        """What tells it apart, for a line of the table."""
        file = self.detector.file
        size = sum(each.stat().st_size for each in {file, file.with_suffix(_WEIGHTS.get(file.suffix, file.suffix))})
        return {
            "model": f"{file.parent.name}/{file.name}",
            "size_mb": round(size / 2**20, 2),
            "backend": self.detector.backend,
            "threads": self.detector.threads,
            "batch": self.batch_size,
        }


def measure(ways: Sequence[Way], images: Sequence[Path], repeats: int) -> list[dict[str, Any]]:
    """Milliseconds per image of each way: its label, and of each stage `median` and `p90`.

    The ways take turns, on the same images, so that a busy moment hits all. OpenCV gets as many threads as the network.
    """
    seconds: list[list[dict[str, float]]] = [[] for _ in ways]
    feeds = [_endless(images) for _ in ways]
    before = cv2.getNumThreads()
    try:
        while len(seconds[-1]) < repeats:
            for way, feed, measured in zip(ways, feeds, seconds, strict=True):
                cv2.setNumThreads(way.detector.threads)
                block = min(_BLOCK, repeats - len(measured))
                runs = [_timed(way.detector, [next(feed) for _ in range(way.batch_size)]) for _ in range(block + 1)]
                measured += runs[1:]
    finally:
        cv2.setNumThreads(before)
    return [way.label | _summary(measured, way.batch_size) for way, measured in zip(ways, seconds, strict=True)]


def made_up_image(folder: Path) -> Path:
    """A JPEG of 640 x 480 with detail at all scales, as a photograph has; its size is about that of one."""
    rng = np.random.default_rng(0)
    layers = [rng.normal(0, 40 / 2**i, (15 * 2**i, 20 * 2**i, 3)).astype(np.float32) for i in range(6)]
    image = 128 + sum(cv2.resize(layer, (640, 480)) for layer in layers)
    path = folder / "made_up.jpg"
    cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))
    return path


def _endless(images: Sequence[Path]) -> Iterator[Path]:
    while True:
        yield from images


def _timed(detector: Detector, batch: Sequence[Path]) -> dict[str, float]:
    """Seconds of each stage of one batch."""
    clock = [time.perf_counter()]
    loaded = [detector.load(image) for image in batch]
    clock.append(time.perf_counter())
    prepared = detector.prepare(loaded)
    clock.append(time.perf_counter())
    outputs = detector.run(prepared)
    clock.append(time.perf_counter())
    detector.finish(outputs, prepared, detector.threshold)
    clock.append(time.perf_counter())
    parts = [end - start for start, end in zip(clock, clock[1:], strict=False)]
    return dict(zip(STAGES, [*parts, clock[-1] - clock[0]], strict=True))


def _summary(measured: Sequence[Mapping[str, float]], batch_size: int) -> dict[str, Any]:
    return {stage: _of([1000 * each[stage] / batch_size for each in measured]) for stage in STAGES}


def _of(values: Sequence[float]) -> dict[str, float]:
    p90 = statistics.quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"median": round(statistics.median(values), 3), "p90": round(p90, 3)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line per way: its label, median (p90) of each stage in milliseconds per image, how many times the first."""
    labels = [name for name in rows[0] if name not in STAGES]
    lines = [[*labels, *STAGES, "speed"]]
    for row in rows:
        times = [f"{row[stage]['median']:.2f} ({row[stage]['p90']:.2f})" for stage in STAGES]
        ratio = rows[0]["total"]["median"] / row["total"]["median"]
        lines.append([*(str(row[name]) for name in labels), *times, f"{ratio:.2f}x"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
