"""The report of a quantization: scores, sizes and latencies of the float and the INT8 files."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppdet.data.datasets import Dataset
from ppdet.evaluation.evaluator import Evaluator
from ppdet.evaluation.run_report import machine_facts, report_comparison, stated_weights
from ppdet.metrics.analysis.bootstrap import Difference, compare, compare_classes
from ppdet.metrics.results import ImageDetections
from ppdet.quantization.gains import resampled_scores
from ppdet.quantization.measure import Measured
from ppdet.report.comparison import Side
from ppdet.session import Session
from ppdet.utils.lazy import optional_module
from ppdet.utils.tables import format_table

logger = logging.getLogger(__name__)

_LARGE_LOSS = 0.01  # of AP
_WORST = 5  # number of classes that are named
_SMALLEST_LOSS = 0.0005  # of AP: what is printed as more than 0
_SLOWER = 1.05  # times as long; less is the noise of the measurement
_REMEDIES = {"ONNX Runtime": "use OpenVINO or ", "ncnn": "try --float_depthwise or "}
Found = Mapping[tuple[str, str], Sequence[ImageDetections]]  # by file and runtime


class Row(NamedTuple):
    """A file in a runtime; `ms` is the median time of a run on one thread, None of a simulator."""

    file: str
    runtime: str
    score: float
    size_mb: float
    ms: float | None


@dataclass(frozen=True)
class Report:
    """Results of a quantization.

    Attributes:
        metric: name of the score, as in "AP".
        rows: for each runtime the float file, then the INT8 file.
        kept_float: the convolutions that stay in float, with their sensitivities, None if they were not measured.
        changes: the change of the score from float to INT8 in each runtime, and its interval.
        class_changes: the change of each class's AP in each runtime, by name.
    """

    metric: str
    rows: Sequence[Row]
    kept_float: Mapping[str, float | None]
    changes: Mapping[str, Difference] = field(default_factory=dict)
    class_changes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def pairs(self) -> list[tuple[Row, Row]]:
        """The float file and the INT8 file of each runtime."""
        return list(zip(self.rows[::2], self.rows[1::2], strict=True))

    @property
    def loss(self) -> float:
        """The largest loss of score among the runtimes."""
        return max(before.score - after.score for before, after in self.pairs)

    @property
    def warnings(self) -> list[str]:
        """A line for each runtime in which the INT8 file takes longer than the float file."""
        pairs = [(before.ms, after.ms, after.runtime) for before, after in self.pairs]
        slow = [runtime for before, after, runtime in pairs if before and after and after > _SLOWER * before]
        return [
            f"INT8 is slower than float in {runtime} for this model; {_REMEDIES.get(runtime, '')}keep the float file"
            for runtime in slow
        ]

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
        rows = [_Line(r.file, r.runtime, f"{r.score:.4f}", f"{r.size_mb:.2f}", _stated(r.ms)) for r in self.rows]
        lines = [format_table(rows), f"score: {self.metric}; ms: one run on one thread"]
        for runtime in self.changes:
            lines += [f"{runtime}: {line}" for line in (self.change(runtime), self.worst_classes(runtime)) if line]
        return "\n".join([*lines, *self.warnings])

    def change(self, runtime: str) -> str:
        """Returns the change of the score in a runtime and its interval as text; empty if it is not known."""
        each = self.changes.get(runtime)
        if each is None or not np.isfinite(each.low):
            return ""
        return f"{100 * each.value:+.2f} points, {100 * each.low:+.2f} to {100 * each.high:+.2f} (95 %, paired)"

    def worst_classes(self, runtime: str) -> str:
        """Returns the classes whose AP falls most in a runtime as text; empty if none falls."""
        changes = self.class_changes.get(runtime, {})
        worst = [name for name in sorted(changes, key=changes.__getitem__)[:_WORST] if changes[name] <= -_SMALLEST_LOSS]
        listed = ", ".join(f"{name} {100 * changes[name]:+.1f}" for name in worst)
        return listed and f"of {len(changes)} classes, these lose most: {listed}"


def _stated(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.2f}"


class _Line(NamedTuple):
    """A Row as text."""

    file: str
    runtime: str
    score: str
    size_mb: str
    ms: str


def make_report(
    session: Session, evaluator: Evaluator, measured: Sequence[Measured], kept_float: Mapping[str, float | None]
) -> tuple[Report, Found]:
    """Score detections; return the report and the detections.

    Args:
        session: the run.
        evaluator: the images and the metric.
        measured: for each runtime the float file, then the INT8 file.
        kept_float: see `Report`.
    """
    found = {(each.file, each.runtime): each.found for each in measured}
    scores = [evaluator.score(each.found) for each in measured]
    metric = next(iter(scores[0]))
    rows = [
        Row(each.file, each.runtime, score[metric], each.size_mb, each.ms)
        for each, score in zip(measured, scores, strict=True)
    ]
    report = Report(metric, rows, kept_float, *_changes(session, evaluator.dataset, found))
    warn_of_ruins(report)
    if report.loss > _LARGE_LOSS:
        logger.warning(
            "INT8 loses %.4f %s; more --calib_images measure the ranges better, and for onnx and openvino a smaller "
            "--tolerance leaves more layers in float",
            report.loss,
            metric,
        )
    return report, found


def warn_of_ruins(report: Report) -> None:
    """Log a line for each file whose score is less than half of float's."""
    for before, after in report.pairs:
        if after.score < before.score / 2:
            logger.warning(
                "%s: INT8 keeps %.4f of %.4f %s in %s; do not use this file; choose another format, or --qat epochs=N",
                after.file,
                after.score,
                before.score,
                report.metric,
                after.runtime,
            )


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
    for pair in report.pairs:
        a, b = (Side(row.file, found[row.file, row.runtime]) for row in pair)
        facts = [
            ("command", shlex.join(sys.argv)),
            *((row.file, f"{row.runtime}, {row.size_mb:.2f} MB, {_stated(row.ms)} ms on one thread") for row in pair),
            ("change from float to INT8", report.change(pair[1].runtime) or "not known"),
            ("convolutions in float", ", ".join(report.kept_float) or "none"),
            ("weights", stated_weights(session.settings.weights)),
            *machine_facts(session),
        ]
        stem = f"compare_{pair[1].runtime.lower().replace(' ', '')}"
        report_comparison(folder, session, dataset, (a, b), facts, stem)
