"""Measures INT8 files beside the float file: detections on EvalDataset, latency and size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.base import Backend, Feed, Runner, keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino
from ppdet.evaluation.evaluator import Evaluator
from ppdet.evaluation.exported import Key, detect_with
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.metrics.results import ImageDetections
from ppdet.modeling.heads.base import Selection
from ppdet.runtime.cpu_tuning import cpu_threads

_RUNTIMES: dict[str, tuple[str, Callable[[Path, int], Backend]]] = {
    ".onnx": ("ONNX Runtime", OnnxRuntime),
    ".xml": ("OpenVINO", OpenVino),
}


class Measured(NamedTuple):
    """A file in a runtime: size, median milliseconds of a run on one thread (None: not measured), and detections."""

    file: str
    runtime: str
    size_mb: float
    ms: float | None
    found: Sequence[ImageDetections]


def measure_files(
    float_file: Path,
    int8_files: Sequence[Path],
    evaluator: Evaluator,
    builder: FeedBuilder,
    feed: Feed,
    settings: ExportSettings,
    select: Selection,
) -> list[Measured]:
    """Returns for each runtime the float file, then the INT8 file.

    Args:
        float_file: the exported model.
        int8_files: the quantized models, one for each runtime.
        evaluator, builder, settings, select: see `detect_with`.
        feed: the input for the latencies.
    """
    scoring, timed, sizes = {}, {}, {}
    for file in int8_files:
        runtime, load = _RUNTIMES[file.suffix]
        for each in (float_file, file):
            scoring[each.name, runtime] = keep_outputs(load(each, cpu_threads()).run)
            timed[each.name, runtime] = keep_outputs(load(each, 1).run)
            sizes[each.name] = megabytes(each)
    found = detect_with(evaluator, builder, scoring, settings, select)
    times = latencies(timed, feed)
    return [Measured(*key, sizes[key[0]], times[key], found[key]) for key in scoring]


def latencies(runners: Mapping[Key, Runner], feed: Feed, repeats: int = 50, warm_up: int = 5) -> dict[Key, float]:
    """Returns milliseconds per run of each model, the median of `repeats` runs after `warm_up` runs.

    The models run in turn, so that a busy moment of the machine affects all of them.
    """
    seconds: dict[Key, list[float]] = {name: [] for name in runners}
    for turn in range(warm_up + repeats):
        for name, run in runners.items():
            start = time.perf_counter()
            run(feed)
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def megabytes(path: Path) -> float:
    """Returns the size of a model on disk, including the .bin that belongs to an .xml or .param."""
    files = [path, path.with_suffix(".bin")] if path.suffix in (".xml", ".param") else [path]
    return sum(file.stat().st_size for file in files) / 1e6
