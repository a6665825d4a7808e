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
    shares = row_shares(small).tolist()
    rows = [
        {
            "name": title if truth != len(names) else "no object",
            "cells": [
                {
                    **_content(int(small[i, j]), shares[i][j]),
                    "label": f"{_label((truth, found), (title, titles[j]), len(names))}: {small[i, j]}",
                    "own": truth == found,
                    "template": cells.get((truth, found), ""),
                }
                for j, found in enumerate(keys)
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


def _content(count: int, share: float) -> dict[str, Any]:
    text = f"{100 * share:.0f}" if share >= 0.005 else "·" * (count > 0)
    return {"share": round(share, 3), "text": text}


def _label(keys: tuple[int, int], titles: tuple[str, str], background: int) -> str:
    """Says what a cell counts, by the keys and titles of its row and column: a class may be called "background"."""
    truth, found = titles
    if keys[0] == background:
        return f"{found} without an object"
    if keys[1] == background:
        return f"{truth}, missed"
    if keys[0] != keys[1]:
        return f"{truth} taken for {found}"
    return f"{truth}, found or taken for each other" if keys[0] == _OTHERS else f"{truth}, found"
