"""Measured numbers: PaddleDetection's in `shared/golden` (published.py), and a small set of our own that is part of the
repository (small.py, made by make_golden.py)."""

from tests.golden.published import CONFIGS, ESNET, LCNET, SATURATED, Golden, relative_difference

__all__ = ["CONFIGS", "ESNET", "LCNET", "SATURATED", "Golden", "relative_difference"]
