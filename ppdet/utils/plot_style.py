"""The letters of plots with class names, which may be in any script."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_CHINESE_FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC")


@contextmanager
def plot_style(style: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Context in which matplotlib has fonts for Latin and, if they are installed, Chinese letters.

    Warnings about letters that no font has are not shown. style: further values of rcParams.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    fonts = ["DejaVu Sans", *(name for name in _CHINESE_FONTS if name in installed)]
    with matplotlib.rc_context({**(style or {}), "font.family": fonts}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def plain(name: str, length: int = 24) -> str:
    """A class name for a plot: not too long, and never read as a formula."""
    return name[:length].replace("$", r"\$")
