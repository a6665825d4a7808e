"""The mean of scores of which some do not exist."""

from __future__ import annotations

import numpy as np


def valid_mean(scores: np.ndarray) -> float:
    """Mean of the valid entries; -1 if there are none. An entry of -1 marks a class without ground truth."""
    valid = scores[scores > -1]
    return float(valid.mean()) if valid.size else -1.0
