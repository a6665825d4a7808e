"""The figures of the report. Each function draws into axes that `figures.figure` made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ppdet.report.figures import BLUE, GREEN, INK, LINE, MUTED, ORANGE
from ppdet.utils.plot_style import plain

_BOTH = {"xlim": (0, 1), "ylim": (0, 1)}


def precision_recall(axes: Any, whole: np.ndarray, others: Sequence[np.ndarray]) -> None:
    """Precision against recall.

    Args:
        axes: where to draw.
        whole: [2, T] recall and precision of all classes together, at T thresholds.
        others: the same of each class, as thin lines.
    """
    for each in others:
        axes.plot(*each, color=LINE, linewidth=0.8)
    axes.plot(*whole, color=BLUE, linewidth=1.8, clip_on=False)
    axes.set(xlabel="recall", ylabel="precision", **_BOTH)


def against_threshold(axes: Any, thresholds: np.ndarray, curves: dict[str, np.ndarray], best: float | None) -> None:
    """Precision, recall and F1 ([T] each, by name) against the threshold; `best` is marked."""
    for (name, values), color in zip(curves.items(), (MUTED, ORANGE, BLUE), strict=False):
        axes.plot(thresholds, values, color=color, linewidth=1.8 if color == BLUE else 1.2, label=name)
    if best is not None:
        axes.axvline(best, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.set(xlabel="score threshold", **_BOTH)
    axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0), borderaxespad=0.2)


def bars(axes: Any, names: Sequence[str], values: Sequence[float], label: str) -> None:
    """Horizontal bars from the top down, each with its value."""
    places = np.arange(len(names))
    axes.barh(places, values, 0.62, color=BLUE)
    for place, value in zip(places, values, strict=True):
        axes.annotate(f"{value:.1f}", (value, place), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(places, [plain(name) for name in names])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(xlabel=label, xlim=(0, max([*values, 1e-6]) * 1.15))


def buckets(
    axes: Any, names: Sequence[str], values: Sequence[float], counts: Sequence[int], title: str, label: str
) -> None:
    """Upright bars of AP (in %), with the number of objects below each; a missing one is negative."""
    places = np.arange(len(names))
    axes.bar(places, np.maximum(values, 0), 0.62, color=BLUE)
    for place, value in zip(places, values, strict=True):
        text = f"{value:.1f}" if value >= 0 else "-"
        axes.annotate(text, (place, max(value, 0)), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xticks(places, [f"{name}\n{count}" for name, count in zip(names, counts, strict=True)])
    axes.grid(visible=False, axis="x")
    axes.set(title=title, xlabel=label, ylabel="AP", ylim=(0, max(10.0, 1.15 * max([*values, 0]))))


def reliability(axes: Any, scores: np.ndarray, shares: np.ndarray, counts: np.ndarray) -> None:
    """The share of right detections against the score.

    Args:
        axes: where to draw.
        scores: [B] the mean score of each bin; nan for an empty one.
        shares: [B] the share of its detections that are right.
        counts: [B] the number of its detections, which decides the size of a dot.
    """
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
    known = counts > 0
    axes.plot(scores[known], shares[known], color=BLUE, linewidth=1.2)
    sizes = 8 + 50 * np.sqrt(counts[known] / max(counts.max(initial=1), 1))
    axes.scatter(scores[known], shares[known], s=sizes, color=BLUE, zorder=3, clip_on=False)
    axes.set(xlabel="score", ylabel="share that is right", **_BOTH)


def matrix(axes: Any, names: Sequence[str], shares: np.ndarray) -> None:
    """The confusion matrix: rows are truths, columns what was found. shares: [K, K] in 0..1, nan for no entry."""
    from matplotlib.colors import LinearSegmentedColormap

    axes.imshow(shares, cmap=LinearSegmentedColormap.from_list("page", ["#ffffff", BLUE]), vmin=0, vmax=1)
    labels = [plain(name, 16) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90)
    axes.set_yticks(range(len(names)), labels)
    axes.grid(visible=False)
    if len(names) <= 14:
        for row, column in np.argwhere(shares >= 0.005):
            ink = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=ink, fontsize=8)
    axes.set(xlabel="found", ylabel="truth")


def class_counts(axes: Any, names: Sequence[str], counts: Sequence[int], most: int = 20) -> None:
    """The number of boxes of the most frequent classes."""
    order = np.argsort(-np.asarray(counts), kind="stable")[:most]
    axes.barh(np.arange(len(order)), [counts[index] for index in order], 0.62, color=BLUE)
    axes.set_yticks(range(len(order)), [plain(names[index]) for index in order])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(title="boxes of each class" + (f" (the {most} most frequent)" if len(counts) > most else ""))


def histogram(axes: Any, values: dict[str, np.ndarray], edges: np.ndarray, title: str, label: str) -> None:
    """The shares of values in bins, a line for each name; a logarithmic axis of base 2 if the bins grow."""
    for (name, each), color in zip(values.items(), (BLUE, ORANGE, GREEN), strict=False):
        axes.stairs(np.histogram(each, edges)[0] / max(len(each), 1), edges, color=color, linewidth=1.4, label=name)
    if edges[-1] - edges[-2] > 1.01 * (edges[1] - edges[0]):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.minorticks_off()
    axes.set(title=title, xlabel=label, ylabel="share")
    if len(values) > 1:
        axes.legend()
