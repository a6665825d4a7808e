"""One page of plots of a data set, with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data_check.boxes import SMALL
from ppdet.data_view.statistics import Statistics
from ppdet.deploy.files import atomic_path
from ppdet.utils.plot_style import plain, plot_style

_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")  # apart for color-blind eyes as well
_BINS = 40
_MOST_CLASSES = 30
_CELLS = 32  # a side of the map of centers


def require_matplotlib(path: Path) -> None:
    """Raises UserError if matplotlib cannot be imported, or `path` is not the name of a PNG."""
    if path.suffix.lower() != ".png":
        raise UserError(f"--plot: found {path}; expected a name that ends in .png")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError(
            '--plot: matplotlib is not installed; pip install matplotlib, or in a clone pip install ".[plots]"'
        ) from error


def write_plots(path: Path, found: Sequence[Statistics]) -> None:
    """Writes a page of six plots as the PNG `path`."""
    from matplotlib.figure import Figure

    with plot_style():
        figure = Figure(figsize=(15, 9), dpi=100, layout="constrained")
        for axes, plot in zip(figure.subplots(2, 3).flat, _PLOTS, strict=True):
            plot(axes, found)
            axes.spines[["top", "right"]].set_visible(False)
        handles, labels = figure.axes[1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
        with atomic_path(path) as temp:
            figure.savefig(temp, format="png")


def _colored(found: Sequence[Statistics]) -> list[tuple[Statistics, str]]:
    return [(each, _COLORS[index % len(_COLORS)]) for index, each in enumerate(found)]


def _classes(axes: Any, found: Sequence[Statistics]) -> None:
    names = list(dict.fromkeys(category.name for each in found for category in each.split.categories))
    counts = {name: [_count(each, name) for each in found] for name in names}
    names = sorted(names, key=lambda name: -sum(counts[name]))[:_MOST_CLASSES]
    width = 0.8 / len(found)
    for index, (_, color) in enumerate(_colored(found)):
        places = np.arange(len(names)) + (index - (len(found) - 1) / 2) * width
        axes.barh(places, [counts[name][index] for name in names], width, color=color)
    axes.set_yticks(range(len(names)), [plain(name) for name in names], fontsize=8)
    axes.invert_yaxis()
    more = f" (the {_MOST_CLASSES} most frequent)" if len(counts) > _MOST_CLASSES else ""
    axes.set(title=f"boxes of each class{more}", xlabel="boxes")


def _count(found: Statistics, name: str) -> int:
    kinds = [index for index, category in enumerate(found.split.categories) if category.name == name]
    return int(np.isin(found.class_index, kinds).sum())


def _per_image(axes: Any, found: Sequence[Statistics]) -> None:
    most = max((int(each.boxes_per_image.max(initial=0)) for each in found), default=0)
    edges = np.arange(0, most + 2) - 0.5 if most < _BINS else np.linspace(0, most + 1, _BINS)
    _histogram(axes, found, [each.boxes_per_image for each in found], edges)
    axes.set(title="boxes in an image", xlabel="boxes", ylabel="share of images")


def _image_sizes(axes: Any, found: Sequence[Statistics]) -> None:
    for each, color in _colored(found):
        sizes, counts = np.unique(each.image_sizes, axis=0, return_counts=True)
        areas = 12 + 150 * counts / max(counts.sum(), 1)
        axes.scatter(sizes[:, 1], sizes[:, 0], s=areas, color=color, alpha=0.5, linewidths=0)
    largest = np.concatenate([each.image_sizes for each in found]).max(0, initial=1)
    axes.set_xlim(0, 1.08 * largest[1])
    axes.set_ylim(0, 1.08 * largest[0])
    axes.set(title="image sizes (area of a dot: number)", xlabel="width in pixels", ylabel="height in pixels")


def _box_sides(axes: Any, found: Sequence[Statistics]) -> None:
    _log_histogram(axes, found, [each.input_sides for each in found], 4, 64)
    height, width = found[0].split.network.size
    axes.axvline(SMALL, color="gray", linestyle=":")
    axes.set(title=f"box sizes at {width} x {height}", xlabel="square root of the area in pixels")


def _aspects(axes: Any, found: Sequence[Statistics]) -> None:
    _log_histogram(axes, found, [each.aspects for each in found], 1 / 4, 4)
    axes.axvline(1, color="gray", linestyle=":")
    axes.set(title="shapes of the boxes", xlabel="width / height")


def _centers(axes: Any, found: Sequence[Statistics]) -> None:
    """Counts the centers of all splits' boxes on a grid over the image."""
    grid = np.zeros((_CELLS, _CELLS))
    for each in found:
        corners, sizes = each.split.boxes.corners[each.usable], each.split.image_sizes[each.image]
        known = np.isfinite(sizes).all(1)
        y, x = ((corners[:, 1::-1] + corners[:, :1:-1]) / 2 / sizes)[known].T
        grid += np.histogram2d(y, x, _CELLS, [[0, 1], [0, 1]])[0]
    axes.imshow(grid, cmap="Blues", extent=(0, 1, 1, 0), aspect="auto")
    axes.set(title="centers of the boxes in their images (all splits)", xlabel="x / width", ylabel="y / height")


def _log_histogram(
    axes: Any, found: Sequence[Statistics], values: Sequence[np.ndarray], low: float, high: float
) -> None:
    """A histogram over factors of 2, at least from `low` to `high`."""
    together = np.concatenate(values)
    low, high = together.min(initial=low), together.max(initial=high)
    _histogram(axes, found, values, np.geomspace(low / 1.05, high * 1.05, _BINS))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.minorticks_off()
    axes.set_ylabel("share of boxes")


def _histogram(axes: Any, found: Sequence[Statistics], values: Sequence[np.ndarray], edges: np.ndarray) -> None:
    for (each, color), of_split in zip(_colored(found), values, strict=True):
        shares = np.histogram(of_split, edges)[0] / max(len(of_split), 1)
        axes.stairs(shares, edges, color=color, linewidth=1.6, label=each.split.name)


_PLOTS: tuple[Callable[[Any, Sequence[Statistics]], None], ...] = (
    _classes,
    _per_image,
    _image_sizes,
    _box_sides,
    _aspects,
    _centers,
)
