"""Chooses a score threshold for each class on EvalDataset, and writes them for the export."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ppdet.core.errors import UserError
from ppdet.evaluation.evaluator import read_evaluation, run_evaluation
from ppdet.export.thresholds import weights_checksum, write_thresholds
from ppdet.metrics import format_table
from ppdet.metrics.analysis import Goal, Thresholds, choose_thresholds, judge, require_analysis
from ppdet.metrics.analysis.curves import Curve, class_curves, overall_curve
from ppdet.report.numbers import known
from ppdet.runtime import distributed
from ppdet.session import Session
from ppdet.utils.staging import staged

logger = logging.getLogger(__name__)

_DIGITS = 4  # of the numbers in the file


@distributed.together()
def thresholds_to_file(session: Session, goal: Goal, iou: float, results: Path | None, output: Path | None) -> None:
    """Choose the thresholds from one evaluation, print them and write them.

    Args:
        session: the run.
        goal: what to reach.
        iou: the overlap that makes a detection right.
        results: a file of detections to use instead of running the model.
        output: the file to write; None: thresholds.yml in the run's folder.

    Raises:
        UserError: no threshold reaches the goal over all classes, or the file cannot be written.
    """
    path = output or session.output_dir / "thresholds.yml"
    require_analysis(iou)
    if not distributed.rank():
        _check_output(path)
    if results:
        dataset, _, detections = read_evaluation(session, results)
        source = {"detections": str(results)}
    else:
        dataset, _, detections = run_evaluation(session)
        source = {"weights": session.settings.weights or "", "weights_sha256": weights_checksum(session)}
    distributed.detach()
    if distributed.rank():
        return
    settings = session.settings
    case, matching = judge(detections, dataset, settings.metric, settings.map_type, iou)
    overall = overall_curve(case, matching)
    chosen = choose_thresholds(class_curves(case, matching), overall, goal)
    data = str(dataset.anno_file or dataset.root)
    if chosen is None:
        raise _out_of_reach(goal, overall, data)
    names = [category.name for category in dataset.categories]
    about = {"goal": str(goal), "iou": iou, "data": data, "images": len(case.truth.im_ids), **source}
    write_thresholds(path, {**file_content(chosen, names), **about})
    print(_table(chosen, names))
    logger.info("%s: written; add it to ppdet export with --thresholds", path)


def _check_output(path: Path) -> None:
    """Raises UserError, before the evaluation takes its time, if the file cannot be written."""
    if path.is_dir():
        raise UserError(f"--output: {path} is a folder; expected a file; give {path / 'thresholds.yml'}")
    with staged(path.parent, "--output"):
        pass


def file_content(chosen: Thresholds, names: Sequence[str]) -> dict[str, Any]:
    """Returns the numbers of the file: a line for each class, and what the thresholds give over all classes."""
    classes = {}
    for name, each in zip(names, chosen.classes, strict=True):
        numbers = {key: known(getattr(each, key), _DIGITS) for key in ("precision", "recall", "f1")}
        note = {"note": each.reason} if each.reason else {}
        classes[name] = {"threshold": each.threshold, **numbers, "objects": each.objects, **note}
    together = dict(
        zip(("precision", "recall", "f1"), (known(value, _DIGITS) for value in chosen.together), strict=True)
    )
    one = {key: known(value, _DIGITS) for key, value in chosen.overall._asdict().items()}
    return {"thresholds": classes, "together": together, "one_threshold_for_all": one}


class _Row(NamedTuple):
    """A line of the table."""

    name: str
    threshold: str
    precision: str
    recall: str
    f1: str
    objects: str
    note: str


_NOTES = {
    "": "",
    "few objects": "few objects: mostly as all classes",
    "out of reach": "out of reach: as all classes",
}


def _table(chosen: Thresholds, names: Sequence[str]) -> str:
    rows = [
        _Row(name, f"{each.threshold:.3f}", *_shown(each[1:4]), str(each.objects), _NOTES[each.reason])
        for name, each in zip(names, chosen.classes, strict=True)
    ]
    objects = str(sum(each.objects for each in chosen.classes))
    rows.append(_Row("all, each at its own", "", *_shown(chosen.together), objects, ""))
    one = chosen.overall
    rows.append(_Row("all, at one threshold", f"{one.threshold:.3f}", *_shown(one[1:]), objects, ""))
    return f"{format_table(rows)}\nchosen for {chosen.goal}"


def _shown(numbers: Sequence[float]) -> tuple[str, str, str]:
    precision, recall, f1 = ("-" if math.isnan(number) else f"{number:.3f}" for number in numbers)
    return precision, recall, f1


def _out_of_reach(goal: Goal, overall: Curve, data: str) -> UserError:
    if goal.name == "f1" or not overall.right.any():
        return UserError(f"{data}: no detection is right; expected some; check -c, weights and the data set")
    best = float((overall.precision if goal.name == "precision" else overall.recall).max())
    lower = math.floor(best * 1000) / 1000
    return UserError(
        f"--{goal.name}: found {goal.value:g}; expected at most {lower:g}, the most that a threshold reaches over all "
        f"classes of {data}; ask for less"
    )
