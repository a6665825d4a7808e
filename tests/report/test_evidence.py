"""Shares and their intervals, against values from the literature."""

from __future__ import annotations

import pytest

from ppdet.report.evidence import Share


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (0, 0, 0, 1)],
)
def test_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    assert Share(part, whole).interval == pytest.approx((low, high), abs=1e-4)


def test_a_share_exceeds_another_one_beyond_noise() -> None:
    assert Share(40, 50).exceeds(Share(10, 50))
    assert not Share(4, 5).exceeds(Share(1, 5))
    assert not Share(10, 50).exceeds(Share(40, 50))


def test_nothing_of_nothing() -> None:
    assert Share(0, 0).value == 0
