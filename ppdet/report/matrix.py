"""The confusion matrix as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_MOST = 25  # classes that are shown one by one
_OTHERS = -1  # in place of a class: all that are not shown


def shown_classes(counts: np.ndarray) -> list[int]:
    """The classes with the most confusions with each other, in their order; all of them if they are few.

    counts: [K + 1, K + 1] of a Confusion.
    """
    between = counts[:-1, :-1].copy()
    np.fill_diagonal(between, 0)
    order = np.argsort(-(between.sum(0) + between.sum(1)), kind="stable")
    return sorted(order[:_MOST].tolist()) if len(order) > _MOST + 1 else sorted(order.tolist())


def fold(counts: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[int], list[str]]:
    """Puts the classes that are not shown together.

    Args:
        counts: [K + 1, K + 1] of a Confusion.
        names: of the classes.

    Returns:
        The small matrix [k, k], its classes (_OTHERS for all others, K for the background), and their names.
    """
    shown, size = shown_classes(counts), len(names)
    others = len(shown) < size
    place = np.full(size + 1, len(shown))
    place[shown] = np.arange(len(shown))
    place[-1] = len(shown) + others
    small = np.zeros((place[-1] + 1,) * 2, np.int64)
    np.add.at(small, (place[:, None], place[None, :]), counts)
    keys = [*shown, *([_OTHERS] if others else []), size]
    return small, keys, [*(names[index] for index in shown), *(["others"] if others else []), "background"]


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Each entry as a share of its row; 0 in an empty row."""
    return np.asarray(counts / np.maximum(counts.sum(1, keepdims=True), 1))


def matrix_view(
    counts: np.ndarray, names: Sequence[str], pictures: Mapping[tuple[int, int], Sequence[Mapping[str, str]]]
) -> dict[str, Any]:
    """The matrix for the template.

    Args:
        counts: [K + 1, K + 1] of a Confusion.
        names: of the classes.
        pictures: of its cells, by (row, column).
    """
    small, keys, titles = fold(counts, names)
    cells = {key: f"cell-{key[0]}-{key[1]}" for key, some in pictures.items() if some and {*key} <= {*keys}}
    rows = [
        {
            "name": title if truth != len(names) else "no object",
            "cells": [
                _cell(int(small[i, j]), float(share), (title, titles[j]), cells.get((truth, keys[j]), ""))
                for j, share in enumerate(row_shares(small)[i].tolist())
            ],
        }
        for i, (truth, title) in enumerate(zip(keys, titles, strict=True))
    ]
    templates = [{"template": id_, "pictures": pictures[key]} for key, id_ in cells.items()]
    shown = len(titles) - 1 - (_OTHERS in keys)
    return {
        "columns": [*titles[:-1], "missed"],
        "rows": rows,
        "cells": templates,
        "shown": shown,
        "hidden": len(names) - shown,
    }


def _cell(count: int, share: float, classes: tuple[str, str], template: str) -> dict[str, Any]:
    """A cell; classes: the titles of its row and column."""
    truth, found = classes
    if truth == found:
        label = f"{truth}: {count} found"
    elif found == "background":
        label = f"{truth}: {count} missed"
    else:
        label = (
            f"{found} without an object: {count}" if truth == "background" else f"{truth} taken for {found}: {count}"
        )
    text = f"{100 * share:.0f}" if share >= 0.005 else "·" * (count > 0)
    return {"share": round(share, 3), "text": text, "label": label, "own": truth == found, "template": template}
