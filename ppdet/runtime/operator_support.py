"""Tells which operators Paddle has for a kind of device."""

from __future__ import annotations

import functools

from paddle.base import core


def place_kind(place: str) -> str:
    """Returns the kind of device of a Paddle place: `Place(gpu:0)` -> "gpu", `Place(cpu)` -> "cpu"."""
    return place.removeprefix("Place(").split(":")[0].removesuffix(")")


@functools.cache
def has_kernel(operator: str, kind: str) -> bool:
    """Whether Paddle's registry, plug-ins included, has a kernel of `operator` for this kind of device."""
    places = [key.split("place[")[1].split("]")[0] for key in _registry().get(operator, ())]
    return kind in map(place_kind, places)


def _registry() -> dict[str, list[str]]:
    """Returns a description `{data_type[float]; …; place[Place(gpu:0)]; …}` of each kernel, by operator."""
    kernels: dict[str, list[str]] = core._get_all_register_op_kernels("phi")  # type: ignore[attr-defined]  # private
    return kernels
