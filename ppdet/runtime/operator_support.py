"""Tells which operators Paddle has for a kind of device."""

from __future__ import annotations

import functools

from paddle.base import core


def place_kind(place: str) -> str:
    """Returns the kind of device of a Paddle place: `Place(gpu:0)` -> "gpu", `Place(cpu)` -> "cpu"."""
    return place.removeprefix("Place(").split(":")[0].removesuffix(")")


@functools.cache
def has_kernel(operator: str, kind: str, dtype: str = "") -> bool:
    """Whether Paddle's registry, plug-ins included, has a kernel of `operator` for this kind of device.

    Args:
        operator: Paddle's name of it.
        kind: "cpu", "gpu", the type of a plug-in, …
        dtype: "float16" or "bfloat16" for a kernel of this type; empty: of any type.
    """
    return any(
        place_kind(_field(kernel, "place")) == kind
        # `::phi::dtype::float16`, in Paddle 2.6 `::paddle::platform::float16`
        and dtype in ("", _field(kernel, "data_type").rpartition("::")[2])
        for kernel in _registry().get(operator, ())
    )


def _field(kernel: str, name: str) -> str:
    """Returns one entry of a kernel's description."""
    return kernel.split(f"{name}[")[1].split("]")[0]


def _registry() -> dict[str, list[str]]:
    """Returns a description `{data_type[float]; …; place[Place(gpu:0)]; …}` of each kernel, by operator."""
    kernels: dict[str, list[str]] = core._get_all_register_op_kernels("phi")  # type: ignore[attr-defined]  # private
    return kernels
