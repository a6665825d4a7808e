"""COCO's evaluation by the fastest library that is installed; all of them give the same numbers to the last digit."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ppdet.core.errors import UserError

# Fastest first. Not among them, because the 16th digit differs: faster-coco-eval (precision), hotcoco (means, NumPy 1)
LIBRARIES = ("ultrafast_pycocotools", "pycocotools")


class Evaluation(NamedTuple):
    """stats [12] float64 in COCO's order; precision [10 IoU, 101 recall, K classes, 4 areas, 3 limits] float64."""

    stats: np.ndarray
    precision: np.ndarray


def evaluate(
    truth: dict[str, Any],
    detections: np.ndarray,
    im_ids: Sequence[int],
    category_ids: Sequence[int],
    libraries: Sequence[str] = LIBRARIES,
) -> Evaluation:
    """Score boxes on the images `im_ids` and the classes `category_ids`, which are in rising order.

    truth       the content of an annotation file; ids of annotations count from 1: COCO reads a match with 0 as none
    detections  [N, 7] float64, N > 0: image id, x, y, width, height, score, category id
    libraries   the first of them that can be imported does it
    """
    coco, coco_eval = _load(libraries)
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco()
        known.dataset = truth
        known.createIndex()
        evaluation = coco_eval(known, known.loadRes(detections), "bbox")
        evaluation.params.imgIds = list(im_ids)
        evaluation.params.catIds = list(category_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return Evaluation(np.asarray(evaluation.stats, np.float64), np.asarray(evaluation.eval["precision"]))


def _load(libraries: Sequence[str]) -> tuple[Any, Any]:
    """The classes COCO and COCOeval. Imported here: a run that does not evaluate needs none of them."""
    for name in libraries:
        modules = ("pycocotools.coco", "pycocotools.cocoeval") if name == "pycocotools" else (name, name)
        with contextlib.suppress(ImportError):
            coco, coco_eval = map(importlib.import_module, modules)
            return coco.COCO, coco_eval.COCOeval
    raise UserError(f"metric: none of {', '.join(libraries)} can be imported; pip install pycocotools")
