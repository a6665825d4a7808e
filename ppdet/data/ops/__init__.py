"""Pure functions on images and boxes."""

from __future__ import annotations

from types import ModuleType

from ppdet.utils.lazy import optional_module


def load_numba_kernels() -> ModuleType | None:
    """The module of compiled loops, or None without numba. The first import takes a second."""
    return optional_module("ppdet.data.ops.numba_kernels")
