"""`ppdet eval`: scores on the console, detections in a file, the report, the comparison with another model."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.deploy import Detector
from ppdet.deploy.detections import to_rows
from ppdet.evaluation.evaluator import read_evaluation, run_evaluation, score
from ppdet.evaluation.run_report import (
    distinct_names,
    report_comparison,
    report_evaluation,
    run_facts,
    stated_weights,
    with_checksum,
)
from ppdet.metrics import CocoMetric, Metric, format_summary, format_table
from ppdet.metrics.results import ImageDetections, load_results, save_results
from ppdet.report.comparison import Side
from ppdet.report.write import require_report
from ppdet.runtime import distributed
from ppdet.runtime.device import peak_memory_mb
from ppdet.session import Session
from ppdet.utils.download import resolve_weights
from ppdet.weights.class_names import some

logger = logging.getLogger(__name__)

RESULTS = "bbox.json"


def describe_scores(metric: Metric, scores: dict[str, float]) -> str:
    """Returns the scores as text: the 12 lines of COCO, or one line for VOC."""
    if isinstance(metric, CocoMetric):
        return format_summary(scores)
    return "  ".join(f"{name} {value:.4f}" for name, value in scores.items())


def _print_scores(metric: Metric, scores: dict[str, float], classwise: bool) -> None:
    print(describe_scores(metric, scores))
    if classwise:
        print(format_table(metric.classwise()))


@distributed.together()
def evaluate_to_console(
    session: Session,
    classwise: bool,
    output_dir: Path | None,
    from_json: bool,
    report: Path | None = None,
    command: str = "",
    other: str | None = None,
) -> None:
    """Score the config's `weights`, or the detections of an earlier run, and print the scores.

    Args:
        session: the run.
        classwise: print the scores of each class as well.
        output_dir: folder for bbox.json with the detections; None: the config's `output_eval`, if it is set.
        from_json: score the detections in bbox.json instead of running the model.
        report: folder for the report; None: no report.
        command: the command line, which the report states.
        other: weights, or detections in a file, that the report compares with; None: no comparison.
    """
    folder = output_dir or (Path(session.settings.output_eval) if session.settings.output_eval else None)
    results_file = (folder or Path()) / RESULTS
    _check_report(report, other)
    dataset, metric, detections = read_evaluation(session, results_file) if from_json else run_evaluation(session)
    others = _detections_of(other, session, dataset) if other else None
    scores = score(metric, detections)
    distributed.detach()
    if distributed.rank():
        return
    if folder and not from_json:  # before printing, which can fail
        count = save_results(results_file, detections, dataset.categories, dataset.image_ids)
        logger.info("%s: %d detections written", results_file, count)
    logger.info("peak memory %.0f MB", peak_memory_mb(session.device))
    _print_scores(metric, scores, classwise or session.settings.classwise)
    if report:
        facts = run_facts(session, dataset, results_file if from_json else None, command)
        report_evaluation(report, session, dataset, scores, detections, facts)
        if other and others is not None:
            names = distinct_names(str(results_file) if from_json else session.settings.weights or "", other)
            sides = Side(names[0], detections), Side(names[1], others)
            report_comparison(report, session, dataset, sides, [*facts, ("compared with", _stated(other))])


def _check_report(report: Path | None, other: str | None) -> None:
    """Raises UserError, before the evaluation takes its time, if the report or the comparison will not be possible."""
    if other and not report:
        raise UserError("--compare: found without --report; expected a folder for the page; add --report DIR")
    if report and not distributed.rank():
        require_report(report)
    file = _results_in(other) if other else None
    if file and not file.is_file():
        raise UserError(f"--compare: {file}: there is no such file; write it first with --output_eval")
    if other and not file and distributed.world_size() > 1:
        raise UserError(f"--compare: {other}: found several processes; expected one; run on one, or give a bbox.json")
    if other and not file and not _is_export(other):
        resolve_weights(other)


def _results_in(other: str) -> Path | None:
    """The file of detections that is meant; None: a model is."""
    path = Path(other)
    if path.is_dir() and not _is_export(other):
        return path / RESULTS
    return path if path.suffix == ".json" else None


def _is_export(other: str) -> bool:
    """Whether an exported model is meant: its file or folder."""
    path = Path(other)
    return path.suffix in (".onnx", ".xml", ".pdmodel") or (path / "infer_cfg.yml").is_file()


def _stated(other: str) -> str:
    """The file that the page names, and its checksum."""
    file = _results_in(other)
    return other if _is_export(other) else with_checksum(file) if file else stated_weights(other)


def _detections_of(other: str, session: Session, dataset: Dataset) -> Sequence[ImageDetections]:
    """The detections to compare with.

    Args:
        other: weights, an exported model, a file of detections, or a folder with bbox.json.
        session: the run, whose config the weights belong to.
        dataset: what was evaluated.

    Raises:
        UserError: there is no such file, or its classes are others.
    """
    if file := _results_in(other):
        return load_results(file, dataset.categories, dataset.image_ids)
    if _is_export(other):
        detector = Detector(other)
        _check_classes(other, detector.labels, dataset)
        found = detector.detect([record.im_file for record in dataset.records], threshold=0.0)
        return [(record.im_id, to_rows(each)) for record, each in zip(dataset.records, found, strict=True)]
    again, _, detections = run_evaluation(replace(session, settings=replace(session.settings, weights=other)))
    _check_classes(other, [category.name for category in again.categories], dataset)
    return detections


def _check_classes(other: str, names: Sequence[str], dataset: Dataset) -> None:
    expected = [category.name for category in dataset.categories]
    if list(names) != expected:
        raise UserError(
            f"--compare: {other}: found the classes {some(names)}; expected those of the evaluation in their order, "
            f"{some(expected)}; write its detections with --output_eval and give their bbox.json"
        )
