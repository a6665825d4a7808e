"""Every number of the report, as report.json holds them: scores and shares in 0..1, null for what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ppdet.metrics.analysis.bootstrap import Interval
from ppdet.metrics.analysis.buckets import Bucket
from ppdet.metrics.analysis.curves import Curve
from ppdet.metrics.analysis.error_kinds import KINDS, ErrorKinds
from ppdet.metrics.analysis.reliability import Reliability
from ppdet.report.evidence import Evidence
from ppdet.report.galleries import Scene
from ppdet.report.observe import training_boxes
from ppdet.report.sentences import sentences
from ppdet.report.source import Evaluated

GRID = np.linspace(0, 1, 101)  # thresholds of the curves


def report_numbers(evaluated: Evaluated, scene: Scene, evidence: Evidence) -> dict[str, Any]:
    """The content of report.json."""
    analysis = scene.analysis
    buckets = {"size": analysis.sizes, "crowd": analysis.crowding, "shape": analysis.shapes}
    scores = [
        {"name": name, "value": known(value), "interval": bounds(analysis.intervals.get(name))}
        for name, value in evaluated.scores.items()
    ]
    return {
        "name": evaluated.name,
        "metric": evaluated.metric,
        "images": len(scene.records),
        "objects": int(scene.case.truth.counts.sum()),
        "detections": len(scene.case.found),
        "scores": scores,
        "sentences": [sentence._asdict() for sentence in sentences(evidence)],
        "threshold": known(scene.confusion.threshold),
        "classes": _classes(evaluated, scene),
        "curves": _curves(scene),
        "confusion": {"classes": [*scene.names, "background"], "counts": scene.confusion.counts.tolist()},
        "errors": _errors(analysis.errors, scene.names),
        "buckets": {kind: [_bucket(each) for each in found] for kind, found in buckets.items()},
        "calibration": _calibration(analysis.reliability),
        "facts": dict(evaluated.facts),
    }


def known(value: float | None, digits: int = 5) -> float | None:
    """The value, rounded; None for NaN, infinity and for -1, with which metrics mark what does not exist."""
    return None if value is None or not np.isfinite(value) or value < 0 else round(float(value), digits)


def bounds(interval: Interval | None) -> list[float] | None:
    """The lower and the upper bound, in 0..1; None if they are not known."""
    if interval is None or not np.isfinite(interval.low):
        return None
    return [round(min(max(bound, 0.0), 1.0), 5) for bound in (interval.low, interval.high)]


def _classes(evaluated: Evaluated, scene: Scene) -> list[dict[str, Any]]:
    """A line for each class; threshold, precision, recall and f1 are those of its own best threshold."""
    analysis, objects = scene.analysis, scene.case.truth.per_class().tolist()
    training, found = training_boxes(evaluated), []
    for index, (name, curve) in enumerate(zip(scene.names, analysis.curves, strict=True)):
        choice = curve.best_f1()
        found.append(
            {
                "name": name,
                "objects": objects[index],
                "training_boxes": None if training is None else training[index],
                "AP": known(analysis.class_ap[index]),
                "AP_interval": bounds(analysis.class_intervals[index]),
                "AP50": known(analysis.class_ap50[index]),
                **{key: known(value) for key, value in (choice._asdict() if choice else {}).items()},
            }
        )
    return found


def _curves(scene: Scene) -> dict[str, Any]:
    """The curves of all classes together, then of each one."""
    named = [("all classes", scene.analysis.overall), *zip(scene.names, scene.analysis.curves, strict=True)]
    return {"thresholds": GRID.round(2).tolist(), "classes": [_curve(*each) for each in named]}


def _curve(name: str, curve: Curve) -> dict[str, Any]:
    """The curve at the thresholds of GRID, and its best threshold."""
    best, (precision, recall, f1) = curve.best_f1(), curve.at(GRID)
    lists = {"precision": precision, "recall": recall, "f1": f1}
    values = {key: [known(each, 4) for each in some] for key, some in lists.items()}
    return {"name": name, "best": best and round(best.threshold, 4), **values}


def _errors(errors: ErrorKinds, names: Sequence[str]) -> list[dict[str, Any]]:
    """A line for each kind: number, the AP that fixing all of them would bring, and the same by class."""
    return [
        {
            "kind": kind,
            "count": int(errors.counts[index].sum()),
            "gain": known(errors.gain[index]),
            "gain_by_class": dict(zip(names, map(known, errors.gain_by_class[index]), strict=True)),
        }
        for index, kind in enumerate(KINDS)
    ]


def _bucket(bucket: Bucket) -> dict[str, Any]:
    high = None if np.isinf(bucket.high) else bucket.high
    scores = {"AP": known(bucket.AP), "AP50": known(bucket.AP50)}
    return {"from": bucket.low, "to": high, "objects": bucket.objects, "images": bucket.images, **scores}


def _calibration(found: Reliability) -> Mapping[str, Any]:
    return {
        "edges": found.edges.round(4).tolist(),
        "count": found.count.tolist(),
        "score": [known(each) for each in found.score],
        "right": [known(each) for each in found.right],
        "error": known(found.error),
    }
