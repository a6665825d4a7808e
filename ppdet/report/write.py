"""Writes a report: report.html, report.json and the plots as PNG."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.metrics.analysis.analysis import require_analysis
from ppdet.report.contents import page_content
from ppdet.report.galleries import build_scene
from ppdet.report.numbers import report_numbers
from ppdet.report.observe import gather
from ppdet.report.page import render
from ppdet.report.source import Evaluated
from ppdet.utils.staging import staged


def missing_library() -> str | None:
    """The first library of the pages that is not installed."""
    return next((name for name in ("jinja2", "matplotlib") if importlib.util.find_spec(name) is None), None)


def require_report(folder: Path) -> None:
    """Raises UserError, before the evaluation takes its time, if a library is missing or the folder not writable."""
    if name := missing_library():
        raise UserError(f'--report: {name} is not installed; pip install {name}, or in a clone pip install ".[report]"')
    require_analysis()
    with staged(folder, "--report"):
        pass


def write_report(folder: Path, evaluated: Evaluated) -> None:
    """Writes the files, which replace those of an earlier report in the folder at the end.

    Raises:
        UserError: the folder cannot be written.
    """
    scene = build_scene(evaluated.dataset, evaluated.detections, evaluated.metric, evaluated.map_type)
    numbers = report_numbers(evaluated, scene, gather(evaluated, scene))
    with staged(folder, "--report") as temp:
        page = render(page_content(evaluated, scene, numbers, temp, folder))
        (temp / "report.json").write_text(json.dumps(numbers, allow_nan=False, ensure_ascii=False), encoding="utf-8")
        (temp / "report.html").write_text(page, encoding="utf-8")
