"""Choosing the highest of neighboring scores as plain loops; for one class of one image each."""

from __future__ import annotations

Map = list[list[float]]  # scores of a level by row and column


def peaks(levels: list[Map]) -> list[Map]:
    """Keeps the scores that beat all their neighbors; see `handicapped`. The finest level comes first.

    Neighbors of a point: the 8 points around it; in the next finer level, whose cells are half as large, the points of
    the 2 x 2 cells in its cell, and those around them; in the next coarser level each point that it is a neighbor of.
    """

    def at(level: int, y: int, x: int) -> list[float]:
        """The compared value of a point, if there is such a point."""
        if not (0 <= level < len(levels) and 0 <= y < len(levels[level]) and 0 <= x < len(levels[level][0])):
            return []
        return [handicapped(levels[level][y][x], level, y, x)]

    def neighbors(level: int, y: int, x: int) -> list[float]:
        around = [(level, y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        coarser = [(level + 1, v // 2, u // 2) for v in (y - 1, y + 1) for u in (x - 1, x + 1)]
        finer = [(level - 1, 2 * y + dy, 2 * x + dx) for dy in (-1, 0, 1, 2) for dx in (-1, 0, 1, 2)]
        return [value for place in (*around, *coarser, *finer) for value in at(*place)]

    return [
        [
            [score * kept_share(*at(level, y, x), neighbors(level, y, x)) for x, score in enumerate(row)]
            for y, row in enumerate(rows)
        ]
        for level, rows in enumerate(levels)
    ]


def handicapped(score: float, level: int, y: int, x: int) -> float:
    """The value by which points are compared: no two neighbors with equal scores have the same."""
    return score + 0.001 * (x % 2 + 2 * (y % 2) + 4 * (level % 2))


def kept_share(own: float, others: list[float]) -> float:
    """1 for the highest value; it falls to 0 at 0.0008 below the highest."""
    return max(0.0, 1 - max(0.0, max([own, *others]) - own) / 0.0008)
