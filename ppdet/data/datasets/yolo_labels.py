"""Reader of YOLO's label files: a class and a box or an outline in a line, in fractions of the image."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.datasets.box_filter import EVERY_ENTRY
from ppdet.utils.json_file import read_text

_LARGEST = 2  # fraction; more than that is pixels
_EXPECTED = "class x y w h, or class and the x y of at least 3 corners"


class Labels(NamedTuple):
    """The objects of one image: classes [N] int64; boxes [N, 4] float64, xyxy, in fractions of the image's size."""

    classes: np.ndarray
    boxes: np.ndarray
    scored: bool  # whether a line ended with a score, which is ignored


def read_labels(
    path: Path, num_classes: int, has_keypoints: bool = False, entry: AbstractContextManager[object] = EVERY_ENTRY
) -> Labels:
    """Reads one label file. Raises UserError, which names the line, if a line is no label.

    Args:
        path: the file.
        num_classes: the number of names.
        has_keypoints: whether each box is followed by keypoints, which are ignored.
        entry: see BoxFilter.
    """
    lines = read_text(path).splitlines()
    rows = [fields for line in lines if (fields := line.split())]
    if has_keypoints:
        rows = [fields[:5] for fields in rows]
    try:
        return _parse(path, rows, num_classes)
    except UserError:
        parts = [_parse(path, [], num_classes)]
        for number, fields in enumerate(rows, start=1):
            with entry:
                parts.append(_parse(path, [fields], num_classes, number))
    classes, boxes, scored = zip(*parts, strict=True)
    return Labels(np.concatenate(classes), np.concatenate(boxes), any(scored))


def _parse(path: Path, rows: list[list[str]], num_classes: int, first: int = 1) -> Labels:
    """The labels in lines split into fields; the number of the first line is `first`."""
    widths = {len(fields) for fields in rows}
    if widths <= {5}:
        values, scored = _numbers(path, rows, first).reshape(-1, 5), False
        corners = values[:, 1:3] - values[:, 3:] / 2, values[:, 1:3] + values[:, 3:] / 2
        classes, boxes = values[:, 0], np.concatenate(corners, axis=1)
    else:
        classes, boxes, scored = _mixed(path, rows, first)
    _check_classes(path, classes, num_classes, first)
    _check_fractions(path, boxes, first)
    return Labels(classes.astype(np.int64), boxes, scored)


def _mixed(path: Path, rows: list[list[str]], first: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Classes, boxes, and whether there are scores, of lines of any kinds."""
    classes, boxes, scored = [], [], False
    for number, fields in enumerate(rows, start=first):
        (values,) = _numbers(path, [fields], number)
        has_score = len(fields) % 2 == 0
        if len(fields) < 5 or (has_score and not 0 <= values[-1] <= 1):
            found = f"{len(fields)} columns" + f", the last one {fields[-1]}" * (len(fields) > 5)
            raise UserError(f"{path}: label {number}: found {found}; expected {_EXPECTED}; a score may follow")
        shape = values[1:-1] if has_score else values[1:]
        scored |= has_score
        if len(shape) == 4:
            box = np.concatenate([shape[:2] - shape[2:] / 2, shape[:2] + shape[2:] / 2])
        else:
            points = shape.reshape(-1, 2)
            box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        classes.append(values[0])
        boxes.append(box)
    return np.array(classes), np.array(boxes).reshape(-1, 4), scored


def _numbers(path: Path, rows: list[list[str]], first: int) -> np.ndarray:
    try:
        return np.array(rows, np.float64)
    except ValueError:
        number, text = next((n, text) for n, row in enumerate(rows, first) for text in row if not _is_number(text))
        raise UserError(f"{path}: label {number}: found {text!r}; expected {_EXPECTED}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_classes(path: Path, classes: np.ndarray, num_classes: int, first: int) -> None:
    wrong = ~((classes >= 0) & (classes < num_classes) & (classes == np.floor(classes)))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise UserError(
            f"{path}: label {at + first}: found the class {classes[at]:g}; expected a class index from 0 to "
            f"{num_classes - 1}, the last of names; correct it, or add the class to names"
        )


def _check_fractions(path: Path, boxes: np.ndarray, first: int) -> None:
    wrong = (np.isfinite(boxes) & (np.abs(boxes) > _LARGEST)).any(axis=1)
    if wrong.any():
        at = int(np.argmax(wrong))
        sides = ", ".join(f"{side:g}" for side in boxes[at])
        raise UserError(
            f"{path}: label {at + first}: reaches from and to {sides}; expected fractions of the image's size, 0 to 1; "
            "divide pixels by its width and height"
        )
