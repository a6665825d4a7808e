"""Class names as OpenCV can draw them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

_DRAWS_ALL_LETTERS = int(cv2.__version__.partition(".")[0]) >= 5  # OpenCV 4 draws what is not ASCII as ?????


def label(class_id: int, name: str) -> str:
    """The text for a class: its name, or its number if OpenCV would draw question marks."""
    return name if is_drawable(name) else f"class {class_id}"


def describe_undrawable(names: Sequence[str]) -> str | None:
    """One line about the names that `label` replaces by numbers; None if there are none."""
    left_out = [name for name in names if not is_drawable(name)]
    if not left_out:
        return None
    more = f" and {len(left_out) - 1} more" if left_out[1:] else ""
    remedy = "" if _DRAWS_ALL_LETTERS else "; install opencv-python-headless 5 for letters beyond ASCII"
    return f"class names: OpenCV {cv2.__version__} cannot draw {left_out[0]!r}{more}; it draws their numbers{remedy}"


def is_drawable(name: str) -> bool:
    """Whether OpenCV can draw all letters of `name`."""
    return name.isprintable() and (_DRAWS_ALL_LETTERS or name.isascii())
