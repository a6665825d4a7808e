"""The curves of a training: losses, scores, learning rate, speed and memory against the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ppdet.report.figures import BLUE, GREEN, LINE, MUTED, ORANGE, RED, figure, svg
from ppdet.report.page import markup
from ppdet.utils.plot_style import plain

Line = Mapping[str, Any]  # a record of metrics.jsonl
_SIZE = (3.6, 2.7)  # inches
_AXES = (0.15, 0.17, 0.82, 0.63)  # left, bottom, width and height, as shares of the figure
_POINTS = 200  # of a curve, which are means of more log lines
_FEW = 40  # points that are worth a dot each
_COLORS = (BLUE, ORANGE, GREEN, MUTED, RED, LINE)


def draw_training(lines: Sequence[Line], evaluations: Sequence[Line], steps: int) -> list[Any]:
    """The markup of the charts that have something to show.

    Args:
        lines: those of the log.
        evaluations: the scores, in 0..1 or -1 for what does not exist.
        steps: of an epoch.
    """
    epochs = np.array([line["epoch"] - 1 + min(line["step"] / steps, 1) for line in lines])
    scored = np.array([each["epoch"] for each in evaluations], float)
    charts = (
        ("losses", lines, epochs, lambda name: name.startswith("loss"), 1),
        ("scores", evaluations, scored, lambda name: name in ("AP", "AP50", "AP75", "mAP"), 100),
        ("AP by size", evaluations, scored, lambda name: name in ("APs", "APm", "APl"), 100),
        ("learning rate", lines, epochs, lambda name: name == "lr", 1),
        ("images per second", lines, epochs, lambda name: name == "images_per_second", 1),
        ("memory in MB", lines, epochs, lambda name: name == "memory_mb", 1),
    )
    return [shown for chart in charts if (shown := _chart(*chart)) is not None]


def _chart(
    title: str, records: Sequence[Line], epochs: np.ndarray, belongs: Callable[[str], bool], factor: float
) -> Any | None:
    """The markup of one chart; None if it would be empty."""
    curves = list(_curves(records, epochs, belongs))
    if not curves:
        return None
    with figure(*_SIZE) as (drawn, axes):
        drawn.set_layout_engine("none")  # fixed margins take half the time of measured ones
        axes.set_position(_AXES)
        for (name, x, y), color in zip(curves, _COLORS, strict=False):
            axes.plot(
                x, factor * y, color=color, linewidth=1.4, marker="." if len(x) <= _FEW else "", label=plain(name)
            )
        axes.set(xlabel="epoch", title=title if len(curves) == 1 else None)
        axes.set_ylim(bottom=0)
        axes.set_xlim(0, 1.02 * epochs[-1])
        axes.xaxis.get_major_locator().set_params(integer=epochs[-1] >= 1)
        if len(curves) > 1:
            axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0), borderaxespad=0.2, title=title)
        return markup(svg(drawn, title.replace(" ", "-")))


def _curves(
    records: Sequence[Line], epochs: np.ndarray, belongs: Callable[[str], bool]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """The name, x and y of each curve; values below 0 do not exist."""
    for name in filter(belongs, dict.fromkeys(name for record in records for name in record)):
        known = [index for index, record in enumerate(records) if record.get(name, -1) >= 0]
        if known:
            yield name, *thinned(epochs[known], np.array([records[index][name] for index in known], float))


def thinned(x: np.ndarray, y: np.ndarray, most: int = _POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most about `most` points: the means of neighbors. x, y: [n], in the order of time."""
    size = -(-len(x) // most)
    starts = np.arange(0, len(x), size)
    counts = np.diff(np.append(starts, len(x)))
    return np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts
