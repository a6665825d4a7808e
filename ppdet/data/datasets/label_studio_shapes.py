"""The shapes in Label Studio's results: percent of the image's size, turned around their corner or center."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ppdet.core.errors import UserError
from ppdet.data.datasets.box_filter import BoxFilter, Size
from ppdet.data.datasets.label_list import class_name
from ppdet.data.datasets.outlines import Box, ellipse, enclosing, rotated
from ppdet.utils.json_file import Entry, finite_number

_KINDS = ("rectangle", "polygon", "ellipse")
_OTHERS = ("brushlabels", "brush", "keypointlabels", "keypoint", "vectorlabels", "vector")


def image_size_of(item: Entry) -> Size | None:
    """(height, width) of the image as a result gives it."""
    height, width = (finite_number(item.values.get(f"original_{side}")) for side in ("height", "width"))
    return (int(height), int(width)) if height and width and min(height, width) >= 1 else None


def objects_of(items: Sequence[Entry], size: Size | None, box_filter: BoxFilter) -> Iterator[tuple[str, Box]]:
    """The class name and the box in pixels of each shape.

    Args:
        items: the results of one annotation.
        size: (height, width) of the image.
        box_filter: counts shapes that have no outline.
    """
    names = {item.values.get("id"): name for item in items if (name := _label(item, "labels"))}
    for item in items:
        kind = str(item.values.get("type", ""))
        shape = kind.removesuffix("labels")
        if kind in _OTHERS:
            box_filter.drop(f"that are no outlines but {kind}", item.place)
        if shape not in _KINDS:
            continue  # a choice, a text, the label of another result
        place, found = f"{item.path}: {item.place}", list[tuple[str, Box]]()
        with box_filter.entry:
            if size is None:
                raise UserError(f"{place}: has no original_width and original_height; export again as JSON")
            name = class_name(place, _label(item, kind) or names.get(item.values.get("id")))
            found.append((name, _box(item, shape, size)))
        yield from found


def _label(item: Entry, kind: str) -> str | None:
    """The first label under a key of a result's value."""
    value = item.values.get("value")
    labels = value.get(kind) if isinstance(value, dict) else None
    return labels[0] if isinstance(labels, list) and labels and isinstance(labels[0], str) else None


def _box(item: Entry, shape: str, size: Size) -> Box:
    height, width = size
    value = item.values.get("value")
    values = value if isinstance(value, dict) else {}

    def number(key: str, side: float = 100) -> float:
        found = finite_number(values.get(key))
        return math.nan if found is None else found * side / 100

    turn = number("rotation") if values.get("rotation") is not None else 0.0
    x, y = number("x", width), number("y", height)
    if shape == "rectangle":  # turned around its corner
        return rotated([x, y, x + number("width", width), y + number("height", height)], turn, (x, y))
    if shape == "ellipse":
        return ellipse(x, y, number("radiusX", width), number("radiusY", height), turn)
    points = values.get("points")
    if not isinstance(points, list) or not points or not all(_is_point(point) for point in points):
        raise item.wrong("value", "points [x, y] in percent; correct the export")
    return enclosing([(x * width / 100, y * height / 100) for x, y in points])


def _is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(finite_number(each) is not None for each in point)
