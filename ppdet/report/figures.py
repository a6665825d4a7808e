"""A matplotlib figure as a PNG file and as SVG text for the page.

Matplotlib, because it is already the extra `plots`, its figures can be files and markup alike, and it needs no script
on the page. The markup has the page's colors as CSS variables, so that a figure follows a dark page, and its letters
stay text in the page's font.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ppdet.utils.plot_style import plot_style

# Each color of a figure, by the CSS variable that stands for it on the page. Blue, orange and green are apart for
# color-blind eyes as well.
COLORS = {
    "ink": "#1b1c1d",
    "muted": "#70747a",
    "line": "#dcdfe3",
    "blue": "#0969b8",
    "orange": "#d9822b",
    "green": "#2b8a5e",
    "red": "#c23b3b",
}
INK, MUTED, LINE, BLUE, ORANGE, GREEN, RED = COLORS.values()
_DPI = 160
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "ppdet",
}


@contextmanager
def figure(width: float, height: float, rows: int = 1, columns: int = 1) -> Iterator[tuple[Any, Any]]:
    """Yield an empty figure of `width` x `height` inches and its axes, in the report's style.

    The figure has no global state of matplotlib.
    """
    from matplotlib.figure import Figure

    with plot_style(_STYLE):
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn, drawn.subplots(rows, columns)


def save(drawn: Any, path: Path) -> str:
    """Writes the figure as the PNG `path`; returns its SVG markup for the page. Call it inside of `figure`."""
    save_png(drawn, path)
    drawn.set_layout_engine("none")  # it is laid out already, which takes longer than drawing
    return svg(drawn, path.stem)


def svg(drawn: Any, name: str) -> str:
    """The figure's SVG markup for the page. Call it inside of `figure`. name: see `page_markup`."""
    text = io.StringIO()
    drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return page_markup(text.getvalue(), name)


def save_png(drawn: Any, path: Path) -> None:
    """Writes the figure as the PNG `path`. Call it inside of `figure`."""
    drawn.savefig(path, format="png", dpi=_DPI, facecolor="white")


def page_markup(svg: str, name: str) -> str:
    """The <svg> element of a matplotlib file for use inside of HTML.

    Args:
        svg: the file.
        name: of the figure; it is put before the ids, which must be unique on the page.
    """
    svg, title = svg[svg.index("<svg") :], name.replace("_", " ")
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(
        r'<svg[^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg viewBox="\1" role="img" aria-label="plot: {title}">', svg, count=1
    )
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("xlink:href=", "href=").replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    for color, value in COLORS.items():
        svg = svg.replace(value, f"var(--{color})")
    return re.sub(r"\n\s*", "\n", svg).strip()
