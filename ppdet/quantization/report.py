"""The report of a quantization: scores, sizes and latencies of the float and the INT8 files."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppdet.data.datasets import Dataset
from ppdet.deploy.backends.base import Backend, Feed, keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino
from ppdet.evaluation.evaluator import Evaluator
from ppdet.evaluation.run_report import machine_facts, report_comparison, stated_weights
from ppdet.metrics.analysis.bootstrap import Difference, compare, compare_classes
from ppdet.metrics.results import ImageDetections
from ppdet.quantization.calibration import FeedBuilder
from ppdet.quantization.gains import resampled_scores
from ppdet.quantization.measure import detect_with, latencies, megabytes
from ppdet.report.comparison import Side
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session
from ppdet.utils.lazy import optional_module
from ppdet.utils.tables import format_table

logger = logging.getLogger(__name__)

_LARGE_LOSS = 0.01  # of AP
_RUNTIMES: dict[str, tuple[str, Callable[[Path, int], Backend]]] = {
    ".onnx": ("ONNX Runtime", OnnxRuntime),
    ".xml": ("OpenVINO", OpenVino),
}

Found = Mapping[tuple[str, str], Sequence[ImageDetections]]  # by file and runtime


class Row(NamedTuple):
    """A file in a runtime; `ms` is the median time of a run on one thread."""

    file: str
    runtime: str
    score: float
    size_mb: float
    ms: float


@dataclass(frozen=True)
class Report:
    """Results of a quantization.

    Attributes:
        metric: name of the score, as in "AP".
        rows: for each runtime the float file, then the INT8 file.
        kept_float: the convolutions that stay in float, with their sensitivities.
        changes: the change of the score from float to INT8 in each runtime, and its interval.
        class_changes: the change of each class's AP in each runtime, by name.
    """

    metric: str
    rows: Sequence[Row]
    kept_float: Mapping[str, float]
    changes: Mapping[str, Difference] = field(default_factory=dict)
    class_changes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def loss(self) -> float:
        """The largest loss of score among the runtimes."""
        return max(before.score - after.score for before, after in zip(self.rows[::2], self.rows[1::2], strict=True))

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as the content of a JSON file."""
        rows = [row._asdict() for row in self.rows]
        changes = {
            runtime: {name: _number(getattr(each, name)) for name in ("value", "low", "high")}
            for runtime, each in self.changes.items()
        }
        content = {"metric": self.metric, "rows": rows, "in_float": dict(self.kept_float), "changes": changes}
        return {**content, "class_changes": {name: dict(each) for name, each in self.class_changes.items()}}

    def __str__(self) -> str:
        rows = [_Line(r.file, r.runtime, f"{r.score:.4f}", f"{r.size_mb:.2f}", f"{r.ms:.2f}") for r in self.rows]
        lines = [format_table(rows), f"score: {self.metric}; ms: one run on one thread"]
        lines += [
            f"{runtime}: {100 * each.value:+.2f} points, {100 * each.low:+.2f} to {100 * each.high:+.2f} (95 %, paired)"
            for runtime, each in self.changes.items()
            if np.isfinite(each.low)
        ]
        return "\n".join(lines)


class _Line(NamedTuple):
    """A Row as text."""

    file: str
    runtime: str
    score: str
    size_mb: str
    ms: str


def make_report(
    session: Session,
    evaluator: Evaluator,
    builder: FeedBuilder,
    feed: Feed,
    float_file: Path,
    int8_files: Sequence[Path],
    kept_float: Mapping[str, float],
) -> tuple[Report, Found]:
    """Score all files and measure their latencies; return the report and the detections.

    Args:
        session: the run.
        evaluator: the images and the metric.
        builder: makes the models' inputs.
        feed: the input for the latencies.
        float_file: the exported model.
        int8_files: the quantized models, one for each runtime.
        kept_float: the convolutions that stay in float, with their sensitivities.
    """
    scoring, timed = {}, {}
    for file in int8_files:
        runtime, load = _RUNTIMES[file.suffix]
        for each in (float_file, file):
            scoring[each.name, runtime] = keep_outputs(load(each, cpu_threads()).run)
            timed[each.name, runtime] = keep_outputs(load(each, 1).run)
    head = session.build_model().head
    found = detect_with(evaluator, builder, scoring, session.settings.export, head.select)
    scores = {key: evaluator.score(detections) for key, detections in found.items()}
    times = latencies(timed, feed)
    metric = next(iter(next(iter(scores.values()))))
    sizes = {file.name: megabytes(file) for file in (float_file, *int8_files)}
    rows = [Row(*key, scores[key][metric], sizes[key[0]], times[key]) for key in scoring]
    report = Report(metric, rows, kept_float, *_changes(session, evaluator.dataset, found))
    if report.loss > _LARGE_LOSS:
        logger.warning(
            "INT8 loses %.4f %s; a smaller --tolerance leaves more layers in float, more --calib_images measure the "
            "ranges better",
            report.loss,
            metric,
        )
    return report, found


def _number(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


def _changes(
    session: Session, dataset: Dataset, found: Found
) -> tuple[dict[str, Difference], dict[str, dict[str, float]]]:
    """Returns the changes from float to INT8 in each runtime: of the score, and of each class's AP.

    Both are empty if numba, which counts the resamples, is not installed.
    """
    if optional_module("ppdet.metrics.analysis.loops") is None:
        return {}, {}
    scores = list(resampled_scores(session, dataset, found).items())
    changes, classes = {}, {}
    for (_, before), ((_, runtime), after) in zip(scores[::2], scores[1::2], strict=True):
        changes[runtime] = next(iter(compare(after, before).values()))
        of_classes = zip(dataset.categories, compare_classes(after, before), strict=True)
        classes[runtime] = {kind.name: round(each.value, 5) for kind, each in of_classes if np.isfinite(each.value)}
    return changes, classes


def write_pages(folder: Path, session: Session, dataset: Dataset, report: Report, found: Found) -> None:
    """Write compare_<runtime>.html with float and INT8 side by side, for each runtime.

    Args:
        folder: where the pages go.
        session: the run.
        dataset: what was evaluated.
        report: all files.
        found: their detections.
    """
    for pair in zip(report.rows[::2], report.rows[1::2], strict=True):
        a, b = (Side(row.file, found[row.file, row.runtime]) for row in pair)
        facts = [
            ("command", shlex.join(sys.argv)),
            *((row.file, f"{row.runtime}, {row.size_mb:.2f} MB, {row.ms:.2f} ms on one thread") for row in pair),
            ("convolutions in float", ", ".join(report.kept_float) or "none"),
            ("weights", stated_weights(session.settings.weights)),
            *machine_facts(session),
        ]
        stem = f"compare_{pair[1].runtime.lower().replace(' ', '')}"
        report_comparison(folder, session, dataset, (a, b), facts, stem)
