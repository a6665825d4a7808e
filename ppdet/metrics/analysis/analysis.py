"""The whole analysis of the detections of one run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ppdet.core.errors import UserError
from ppdet.metrics.analysis.average_precision import Scorer, build_scorer, class_ap
from ppdet.metrics.analysis.bootstrap import RESAMPLES, Interval, Resampled, resample
from ppdet.metrics.analysis.buckets import Bucket, by_objects, by_shape, by_size
from ppdet.metrics.analysis.confusion import Confusion, confusion_matrix
from ppdet.metrics.analysis.curves import Curve, class_curves, overall_curve
from ppdet.metrics.analysis.error_kinds import ErrorKinds, find_errors
from ppdet.metrics.analysis.found import flatten_found
from ppdet.metrics.analysis.matching import LEAST_IOU, Case, Matching, match, pair_up
from ppdet.metrics.analysis.reliability import Reliability, reliability
from ppdet.metrics.analysis.rules import rule_for
from ppdet.metrics.analysis.truth import flatten_truth
from ppdet.metrics.inputs import Dataset
from ppdet.metrics.results import ImageDetections
from ppdet.utils.lazy import optional_module


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that the detections say about a detector on one data set of K classes and n images.

    Attributes:
        case: the objects (`case.truth`, [N]) and the detections (`case.found`, [D]), and which of them overlap.
        matching: which detections are right at the overlap that was asked for.
        scores: the official numbers: COCO's twelve; VOC's mAP, and by size. -1 without objects.
        intervals: the 95 % interval of each of them.
        class_ap: [K] float64, the official AP of each class; -1 without objects.
        class_ap50: [K] float64, at an IoU of 0.5 (VOC: the same as class_ap).
        class_intervals: the 95 % interval of each class's AP.
        curves: precision, recall and F1 of each class against the threshold.
        overall: the same over all classes, with counts added up (micro average).
        confusion: the confusion matrix with background.
        errors: TIDE's kinds of errors and what fixing them would bring.
        sizes: AP by size of the objects.
        shapes: AP by width / height of the objects.
        crowding: AP by number of objects in the image.
        reliability: scores against the share of right detections.
        scorer: gives the official numbers for weighted images.
        resampled: the numbers on resamples of the images, for `bootstrap.compare` with another run: both have to have
            been analyzed with the same data set, seed and number of resamples.
    """

    case: Case
    matching: Matching
    scores: dict[str, float]
    intervals: dict[str, Interval]
    class_ap: np.ndarray
    class_ap50: np.ndarray
    class_intervals: Sequence[Interval]
    curves: Sequence[Curve]
    overall: Curve
    confusion: Confusion
    errors: ErrorKinds
    sizes: Sequence[Bucket]
    shapes: Sequence[Bucket]
    crowding: Sequence[Bucket]
    reliability: Reliability
    scorer: Scorer
    resampled: Resampled


def judge(
    detections: Iterable[ImageDetections],
    dataset: Dataset,
    metric: str = "COCO",
    map_type: str = "11point",
    iou: float = 0.5,
) -> tuple[Case, Matching]:
    """Finds out which detections are right: the part of `analyze` that curves need. Arguments and errors are its."""
    require_analysis(iou)
    rule = rule_for(metric, map_type)
    truth = flatten_truth(dataset.records, dataset.truth, len(dataset.categories), rule.is_voc)
    case = pair_up(truth, flatten_found(detections, truth.im_ids, rule.max_found), rule)
    return case, match(case, iou)


def require_analysis(iou: float = 0.5) -> None:
    """Raises UserError if an analysis at this overlap is not possible. Call it before the model runs."""
    if not LEAST_IOU < iou <= 1:
        raise UserError(f"iou: found {iou}; expected more than {LEAST_IOU} and at most 1")
    if optional_module("ppdet.metrics.analysis.loops") is None:
        raise UserError("numba: cannot be imported; expected by the analysis of detections; pip install numba")


def analyze(
    detections: Iterable[ImageDetections],
    dataset: Dataset,
    metric: str = "COCO",
    map_type: str = "11point",
    iou: float = 0.5,
    threshold: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Analysis:
    """Analyzes detections.

    Args:
        detections: the images' detections, as evaluation has them.
        dataset: the loaded data set that they were made on.
        metric: the config's `metric`, "COCO" or "VOC". It decides how objects are matched, and what is ignored.
        map_type: VOC's way to sum a curve.
        iou: the overlap that makes a detection right, in everything but the official numbers.
        threshold: the score threshold of the confusion matrix; None: that with the best F1 over all classes.
        resamples: the number of resamples for the intervals; 0: none.
        seed: of the resamples.

    Raises:
        UserError: `metric` or `iou` is not possible, or numba is not installed.
    """
    case, matching = judge(detections, dataset, metric, map_type, iou)
    scorer = build_scorer(case)
    overall, detail = overall_curve(case, matching), scorer.detail()
    if threshold is None:
        best = overall.best_f1()
        threshold = best.threshold if best else 0.5
    (resampled,) = resample([scorer], resamples, seed)
    return Analysis(
        case=case,
        matching=matching,
        scores=scorer.scores(detail),
        intervals=resampled.intervals(),
        class_ap=class_ap(detail),
        class_ap50=detail["all"][0, :, 0],
        class_intervals=resampled.class_intervals(),
        curves=class_curves(case, matching),
        overall=overall,
        confusion=confusion_matrix(case, matching, threshold),
        errors=find_errors(case, matching),
        sizes=by_size(case),
        shapes=by_shape(case),
        crowding=by_objects(case, scorer),
        reliability=reliability(case, matching),
        scorer=scorer,
        resampled=resampled,
    )
