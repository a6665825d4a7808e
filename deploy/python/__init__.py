"""The Detector under the name that it had before it was part of the package."""

from ppdet.deploy import DeployError, Detections, Detector

__all__ = ["DeployError", "Detections", "Detector"]
