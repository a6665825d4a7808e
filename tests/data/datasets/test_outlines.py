"""Boxes around outlines, compared with points on them."""

from __future__ import annotations

import math

import pytest

from ppdet.data.datasets.outlines import ellipse, enclosing, rotated


def test_enclosing() -> None:
    assert enclosing([(3, 9), (1, 4), (2, 5)]) == [1, 4, 3, 9]
    assert all(map(math.isnan, enclosing([(3, 9), (math.nan, 4)])))


def test_rotated_clockwise_with_y_down() -> None:
    assert rotated([10, 20, 30, 30], 0) == [10, 20, 30, 30]
    assert rotated([10, 20, 30, 30], 90) == pytest.approx([15, 15, 25, 35])
    assert rotated([10, 20, 30, 30], 90, (10, 20)) == pytest.approx([0, 20, 10, 40])  # around the upper left corner
    half = math.sqrt(0.5)
    assert rotated([0, 0, 10, 10], 45, (0, 0)) == pytest.approx([-10 * half, 0, 10 * half, 20 * half])


@pytest.mark.parametrize("degrees", [0, 30, 90, 211])
def test_ellipse(degrees: float) -> None:
    turn = math.radians(degrees)
    points = []
    for number in range(3600):
        x, y = 7 * math.cos(number * math.pi / 1800), 3 * math.sin(number * math.pi / 1800)
        points.append((50 + x * math.cos(turn) - y * math.sin(turn), 40 + x * math.sin(turn) + y * math.cos(turn)))
    assert ellipse(50, 40, 7, 3, degrees) == pytest.approx(enclosing(points), abs=1e-4)
