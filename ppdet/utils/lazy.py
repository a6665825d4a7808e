"""Imports modules at their first use, for modules that load slowly and are not always needed."""

from __future__ import annotations

import functools
from importlib import import_module
from types import ModuleType


@functools.cache
def optional_module(name: str) -> ModuleType | None:
    """Returns the module `name`, imported at the first call; None if a package that it imports is not installed.

    tests/test_imports.py counts a call as an import, so that it cannot hide a circle.
    """
    try:
        return import_module(name)
    except ImportError:
        return None
