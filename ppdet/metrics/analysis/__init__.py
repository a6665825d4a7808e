"""Explains a detector's AP, computed from the detections that evaluation already has.

`analyze` does it all and returns an `Analysis`; `compare` tells whether one run is better than another. The parts:
`truth`, `found`: flat arrays. `rules`: the evaluations. `matching`: which detection finds which object, in the compiled
`loops`. `average_precision`: the official numbers for weighted images. `curves`: precision, recall and F1 against the
threshold. `thresholds`: one for each class that reaches a goal. `confusion`, `error_kinds` (TIDE's), `buckets`,
`reliability` (calibration), `bootstrap` (intervals).
"""

from __future__ import annotations

from ppdet.metrics.analysis.analysis import Analysis, analyze, judge, require_analysis
from ppdet.metrics.analysis.bootstrap import compare, resample
from ppdet.metrics.analysis.curves import macro_average
from ppdet.metrics.analysis.thresholds import Goal, Thresholds, choose_thresholds

__all__ = [
    "Analysis",
    "Goal",
    "Thresholds",
    "analyze",
    "choose_thresholds",
    "compare",
    "judge",
    "macro_average",
    "require_analysis",
    "resample",
]
