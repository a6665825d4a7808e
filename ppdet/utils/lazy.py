"""Imports modules at their first use, for modules that load slowly and are not always needed.

tests/test_imports.py counts the names in calls as imports, so that they cannot hide a circle.
"""

from __future__ import annotations

import functools
from importlib import import_module
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for the module `name`, which is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


@functools.cache
def optional_module(name: str) -> ModuleType | None:
    """Returns the module `name`, imported at the first call; None if a package that it imports is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None
