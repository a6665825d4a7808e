"""The table of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ppdet.report.page import percent

_TITLES = {
    "name": "class",
    "objects": "objects",
    "training_boxes": "in training",
    "AP": "AP",
    "AP50": "AP50",
    "threshold": "threshold",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
_COUNTS, _SCORES = ("objects", "training_boxes"), ("threshold",)


def class_table(classes: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, str]], list[list[dict[str, Any]]]]:
    """(columns, rows) for the template, without columns that no class has a value in.

    classes: the entries of report.json; None for what is not known.
    """
    keys = [key for key in _TITLES if any(each.get(key) is not None for each in classes)]
    rows = [[{"v": sortable(each.get(key)), "text": _text(key, each)} for key in keys] for each in classes]
    return [{"title": _TITLES[key]} for key in keys], rows


def _text(key: str, each: Mapping[str, Any]) -> str:
    value = each.get(key)
    if value is None:
        return "–"
    if key == "name" or key in _COUNTS:
        return str(value)
    if key in _SCORES:
        return f"{value:.2f}"
    if key == "AP" and each.get("AP_interval"):
        low, high = each["AP_interval"]
        return f"{percent(value)} ({percent(low)} – {percent(high)})"
    return percent(value)


def sortable(value: Any) -> Any:
    """The value by which the page's script sorts a cell; "" for what is not known."""
    return "" if value is None else value
