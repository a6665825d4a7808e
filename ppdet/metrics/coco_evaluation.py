"""COCO's evaluation by the fastest installed library. All of them give the same numbers to the last digit."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ppdet.core.errors import UserError

# Fastest first. Left out because the 16th digit differs: faster-coco-eval (precision), hotcoco (means, NumPy 1)
LIBRARIES = ("ultrafast_pycocotools", "pycocotools")


class Evaluation(NamedTuple):
    """Scores, float64: stats [12] in COCO's order; precision [10 IoU, 101 recall, K classes, 4 areas, 3 limits]."""

    stats: np.ndarray
    precision: np.ndarray


def evaluate(
    truth: dict[str, Any],
    detections: np.ndarray,
    im_ids: Sequence[int],
    category_ids: Sequence[int],
    libraries: Sequence[str] = LIBRARIES,
) -> Evaluation:
    """Scores boxes.

    Args:
        truth: the content of an annotation file. Ids of annotations start at 1: 0 would mean no match.
        detections: [N, 7] float64, N > 0: image id, x, y, width, height, score, category id.
        im_ids: the images that count, in ascending order.
        category_ids: the classes that count, in ascending order.
        libraries: the first one that can be imported is used.

    Raises:
        UserError: none of the libraries is installed.
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
    """The classes COCO and COCOeval. Imported here because a run without evaluation needs no library."""
    for name in libraries:
        modules = ("pycocotools.coco", "pycocotools.cocoeval") if name == "pycocotools" else (name, name)
        with contextlib.suppress(ImportError):
            coco, coco_eval = map(importlib.import_module, modules)
            return coco.COCO, coco_eval.COCOeval
    raise UserError(f"metric: none of {', '.join(libraries)} can be imported; pip install pycocotools")
