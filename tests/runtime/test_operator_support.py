"""Operators that Paddle has for a kind of device."""

from __future__ import annotations

import pytest

from ppdet.runtime.operator_support import has_kernel, place_kind


@pytest.mark.parametrize(
    ("place", "kind"),
    [("Place(gpu:0)", "gpu"), ("Place(cpu)", "cpu"), ("Place(iluvatar_gpu:1)", "iluvatar_gpu"), ("gpu:2", "gpu")],
)
def test_kinds_of_places(place, kind) -> None:
    assert place_kind(place) == kind


@pytest.mark.parametrize(
    ("operator", "kind", "there"),
    [
        ("conv2d", "cpu", True),
        ("multiclass_nms3", "cpu", True),
        ("conv2d", "no_such_kind", False),
        ("no_such", "cpu", False),
    ],
)
def test_kernels(operator, kind, there) -> None:
    assert has_kernel(operator, kind) == there
