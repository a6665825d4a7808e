"""Modules that take long to import and are not always needed."""

from __future__ import annotations

import functools
from importlib import import_module
from types import ModuleType


@functools.cache
def optional_module(name: str) -> ModuleType | None:
    """The module `name`, imported at the first call; None if something that it imports is not installed.

    tests/test_imports.py counts a call as an import, so that it cannot hide a circle.
    """
    try:
        return import_module(name)
    except ImportError:
        return None
