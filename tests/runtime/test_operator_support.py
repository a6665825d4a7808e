"""Operators that Paddle has for a kind of device."""

from __future__ import annotations

import pytest

from ppdet.runtime import operator_support
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


REGISTRY = {
    "conv2d": [
        "{data_type[float]; data_layout[NCHW]; place[Place(cpu)]; library_type[PLAIN]}",
        "{data_type[float]; data_layout[NCHW]; place[Place(npu:0)]; library_type[PLAIN]}",
        "{data_type[::phi::dtype::float16]; data_layout[NCHW]; place[Place(npu:0)]; library_type[PLAIN]}",
        "{data_type[::paddle::platform::float16]; data_layout[NCHW]; place[Place(gpu:0)]; library_type[PLAIN]}",
        "{data_type[::phi::dtype::bfloat16]; data_layout[NCHW]; place[Place(cpu)]; library_type[PLAIN]}",
    ]
}


@pytest.mark.parametrize(
    ("kind", "dtype", "there"),
    [
        ("npu", "float16", True),
        ("gpu", "float16", True),
        ("cpu", "float16", False),
        ("npu", "bfloat16", False),
        ("cpu", "bfloat16", True),
        ("npu", "", True),
        ("xpu", "", False),
    ],
)
def test_kernels_of_a_type(kind, dtype, there, monkeypatch) -> None:
    monkeypatch.setattr(operator_support, "_registry", lambda: REGISTRY)
    has_kernel.cache_clear()
    assert has_kernel("conv2d", kind, dtype) == there
    has_kernel.cache_clear()


def test_types_in_paddles_own_registry() -> None:
    assert has_kernel("conv2d", "cpu", "bfloat16")
    assert not has_kernel("conv2d", "cpu", "float16")
