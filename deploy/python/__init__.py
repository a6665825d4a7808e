"""Runs exported PicoDet models: `from deploy.python import Detector`. Needs numpy, opencv and one runtime."""

from .detections import Detections
from .detector import Detector
from .errors import DeployError

__all__ = ["DeployError", "Detections", "Detector"]
