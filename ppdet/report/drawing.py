"""Draws the curves and the confusion matrix: each as a PNG in a folder, and as markup for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.metrics.analysis.curves import Curve
from ppdet.report import plots
from ppdet.report.figures import figure, save, save_png
from ppdet.report.matrix import fold, row_shares
from ppdet.report.page import markup

_SIZE = (4.6, 3.2)  # inches; on a phone a figure is about as wide
_MOST_LINES = 20  # classes; more lines than that hide each other
_FINE = np.linspace(0, 1, 201)


def draw_curves(folder: Path, curves: Mapping[str, Any], overall: Curve) -> dict[str, dict[str, Any]]:
    """The charts of precision and recall: {"figures": markup by name, "axes": their places by name}.

    Args:
        folder: where the PNG files go.
        curves: `curves` of report.json.
        overall: all classes together.
    """
    whole, *classes = [_recall_precision(each) for each in curves["classes"]]  # the points that the page can mark
    others = classes if len(classes) <= _MOST_LINES else []
    figures, places = {}, {}
    with figure(*_SIZE) as (drawn, axes):
        plots.precision_recall(axes, whole, others)
        figures["precision_recall"] = markup(save(drawn, folder / "precision_recall.png"))
        places["precision_recall"] = place(drawn, axes)
    with figure(*_SIZE) as (drawn, axes):
        lines = dict(zip(("precision", "recall", "F1"), overall.at(_FINE), strict=True))
        plots.against_threshold(axes, _FINE, lines, curves["classes"][0]["best"])
        figures["f1"] = markup(save(drawn, folder / "f1.png"))
        places["f1"] = place(drawn, axes)
    return {"figures": figures, "axes": places}


def _recall_precision(curve: Mapping[str, Any]) -> np.ndarray:
    """[2, T] of the thresholds at which both are known."""
    pairs = [pair for pair in zip(curve["recall"], curve["precision"], strict=True) if None not in pair]
    return np.array(pairs, np.float64).reshape(-1, 2).T


def place(drawn: Any, axes: Any) -> str:
    """The place of the axes in the markup: "left top right bottom". Call it after `save`."""
    (x0, y0), (x1, y1) = axes.get_position().get_points()
    width, height = 72 * drawn.get_size_inches()
    return " ".join(f"{value:.2f}" for value in (x0 * width, (1 - y1) * height, x1 * width, (1 - y0) * height))


def draw_matrix(folder: Path, counts: np.ndarray, names: Sequence[str]) -> None:
    """Draws confusion.png. counts: [K + 1, K + 1] of a Confusion."""
    small, _, titles = fold(counts, names)
    side = 2 + 0.28 * len(titles)
    with figure(side, side) as (drawn, axes):
        plots.matrix(axes, titles, row_shares(small))
        save_png(drawn, folder / "confusion.png")
