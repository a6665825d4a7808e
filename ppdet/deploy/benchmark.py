"""Measures where the time of detection goes: decode, preprocess, network (with NMS, if it has it), post, and total."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .detector import Detector
from .errors import DeployError
from .tables import align_columns

STAGES = ("decode", "preprocess", "network", "post", "total")
_WEIGHTS = {".xml": ".bin", ".json": ".pdiparams", ".pdmodel": ".pdiparams"}  # the file beside the model
_BLOCK = 4  # timed batches in a row of one case, after one that is not timed: the threads of the others come to rest


@dataclass(frozen=True)
class BenchmarkCase:
    """A detector, and how many images it gets at a time. Raises DeployError if they are too many for it."""

    detector: Detector
    batch_size: int = 1

    def __post_init__(self) -> None:
        most = self.detector.max_batch_size
        if most and self.batch_size > most:
            raise DeployError(
                f"--batch_size: found {self.batch_size}; {self.detector.file} takes at most {most} at a time; give "
                "that, or export the model for more"
            )

    @property
    def label(self) -> dict[str, Any]:
        """The properties that distinguish this case from others, for a line of the table."""
        file = self.detector.file
        size = sum(each.stat().st_size for each in {file, file.with_suffix(_WEIGHTS.get(file.suffix, file.suffix))})
        return {
            "model": f"{file.parent.name}/{file.name}",
            "size_mb": round(size / 2**20, 2),
            "backend": self.detector.backend,
            "threads": self.detector.threads,
            "batch": self.batch_size,
        }


def measure(cases: Sequence[BenchmarkCase], images: Sequence[Path], repeats: int) -> list[dict[str, Any]]:
    """Milliseconds per image of each case: its label, and of each stage `median` and `p90`.

    The cases take turns, on the same images, so that a busy moment hits all. OpenCV gets as many threads as the
    network.
    """
    seconds: list[list[dict[str, float]]] = [[] for _ in cases]
    feeds = [itertools.cycle(images) for _ in cases]
    before = cv2.getNumThreads()
    try:
        while len(seconds[-1]) < repeats:
            for case, feed, measured in zip(cases, feeds, seconds, strict=True):
                cv2.setNumThreads(case.detector.threads)
                block = min(_BLOCK, repeats - len(measured))
                runs = [_timed(case.detector, [next(feed) for _ in range(case.batch_size)]) for _ in range(block + 1)]
                measured += runs[1:]
    finally:
        cv2.setNumThreads(before)
    return [case.label | _summary(measured, case.batch_size) for case, measured in zip(cases, seconds, strict=True)]


def synthetic_image(folder: Path) -> Path:
    """Writes a JPEG of 640 x 480 with detail at all scales and about the file size of a photograph."""
    rng = np.random.default_rng(0)
    layers = [rng.normal(0, 40 / 2**i, (15 * 2**i, 20 * 2**i, 3)).astype(np.float32) for i in range(6)]
    image = 128 + sum(cv2.resize(layer, (640, 480)) for layer in layers)
    path = folder / "synthetic.jpg"
    cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))
    return path


def _timed(detector: Detector, batch: Sequence[Path]) -> dict[str, float]:
    """Seconds that each stage takes for one batch."""
    with detector.lane() as lane:
        clock = [time.perf_counter()]
        loaded = [detector.load(image) for image in batch]
        clock.append(time.perf_counter())
        prepared = lane.prepare(loaded)
        clock.append(time.perf_counter())
        outputs = lane.run(prepared)
        clock.append(time.perf_counter())
        detector.finish(outputs, prepared, detector.threshold)
        clock.append(time.perf_counter())
    parts = [end - start for start, end in zip(clock, clock[1:], strict=False)]
    return dict(zip(STAGES, [*parts, clock[-1] - clock[0]], strict=True))


def _summary(measured: Sequence[Mapping[str, float]], batch_size: int) -> dict[str, Any]:
    return {stage: _percentiles([1000 * each[stage] / batch_size for each in measured]) for stage in STAGES}


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    p90 = statistics.quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"median": round(statistics.median(values), 3), "p90": round(p90, 3)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line per case: its label, median (p90) of each stage in milliseconds per image, speed relative to the first."""
    labels = [name for name in rows[0] if name not in STAGES]
    lines = [[*labels, *STAGES, "speed"]]
    for row in rows:
        times = [f"{row[stage]['median']:.2f} ({row[stage]['p90']:.2f})" for stage in STAGES]
        ratio = rows[0]["total"]["median"] / row["total"]["median"]
        lines.append([*(str(row[name]) for name in labels), *times, f"{ratio:.2f}x"])
    return align_columns(lines)
