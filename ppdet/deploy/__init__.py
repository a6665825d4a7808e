"""Runs exported PicoDet models: `from ppdet.deploy import Detector`. Needs numpy, opencv, pyyaml and one runtime.

The folder imports nothing of ppdet and works when it is copied alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .detections import Detections
    from .detector import Detector
    from .errors import DeployError

__all__ = ["DeployError", "Detections", "Detector"]


def __getattr__(name: str) -> Any:
    """Import OpenCV at the first use of a class, so that `ppdet --help` is quick."""
    if name in __all__:
        module = {"DeployError": "errors", "Detections": "detections", "Detector": "detector"}[name]
        return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
