"""The curves of a training on one page, with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ppdet.deploy.files import atomic_path
from ppdet.training.epoch_table import Row

_PANELS: Sequence[tuple[str, Callable[[str], bool]]] = (
    ("loss", lambda name: name.startswith("loss")),
    ("scores", lambda name: name.startswith(("AP", "mAP"))),
    ("recall", lambda name: name.startswith("AR")),
    ("learning rate", lambda name: name == "lr"),
    ("images per second", lambda name: name == "images_per_second"),
    ("memory in MB", lambda name: name == "memory_mb"),
)
# a layout that matplotlib computes takes as long as all the rest
_MARGINS = {"left": 0.05, "right": 0.98, "top": 0.95, "bottom": 0.07, "hspace": 0.28, "wspace": 0.16}


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Writes the curves of all columns as the PNG `path`; scores below 0, of sizes without objects, are left out."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for row in rows for name in row))
    figure = Figure(figsize=(15, 8), dpi=100)
    for axes, (title, belongs) in zip(figure.subplots(2, 3, gridspec_kw=_MARGINS).flat, _PANELS, strict=True):
        for name in filter(belongs, names):
            points = [(row["epoch"], row[name]) for row in rows if name in row and row[name] >= 0]
            if points:
                axes.plot(*zip(*points, strict=True), marker="." if len(points) < 50 else "", label=name)
        axes.set(title=title, xlabel="epoch")
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.lines) > 1:
            axes.legend(frameon=False, fontsize=8)
    with atomic_path(path) as temp:
        figure.savefig(temp, format="png")
