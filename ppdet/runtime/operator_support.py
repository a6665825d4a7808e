"""Which operators Paddle has for which kind of device."""

from __future__ import annotations

import functools

from paddle.base import core


def place_kind(place: str) -> str:
    """`Place(gpu:0)` -> "gpu", `Place(cpu)` -> "cpu"; `place`: a Paddle place as a string."""
    return place.removeprefix("Place(").split(":")[0].removesuffix(")")


@functools.cache
def has_kernel(operator: str, kind: str) -> bool:
    """Whether Paddle's registry, plug-ins included, has a kernel of `operator` for this kind of device."""
    places = [key.split("place[")[1].split("]")[0] for key in _registry().get(operator, ())]
    return kind in map(place_kind, places)


def _registry() -> dict[str, list[str]]:
    """Operator -> `{data_type[float]; …; place[Place(gpu:0)]; …}` of each of its kernels."""
    return core._get_all_register_op_kernels("phi")  # private, but the same in Paddle 2.6 to 3.3
