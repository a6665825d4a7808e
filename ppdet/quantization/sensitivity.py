"""Finds the convolutions that can be quantized, by the change of the decoded outputs when one alone is in INT8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from ppdet.deploy.backends.base import Feed
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.quantization.plan import Plan
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.ranges import exposing

_POINTS = 100  # per image, the most confident ones of the float model: those that become detections


def sensitivities(model: Any, plan: Plan, feeds: Sequence[Feed], threads: int) -> dict[str, float]:
    """Returns for each convolution of a plan how much the decoded outputs change when it alone is in INT8.

    The change is the larger of two means over the most confident points of all images: of the largest change of a
    class score, and of the largest shift of a box side relative to the square root of the box area.

    Args:
        model: a float onnx.ModelProto.
        plan: its quantization.
        feeds: inputs, a batch each.
        threads: number of threads that run the model.
    """
    exposed = exposing(model, ["boxes", "scores"])  # as decoded, before NMS
    run = OnnxRuntime(exposed.SerializeToString(), threads).run
    expected = [run(feed) for feed in feeds]
    found = {}
    for name in tqdm(plan.convs, desc="sensitivity", unit="layer", leave=False, disable=None):
        run = OnnxRuntime(qdq_model(exposed, plan.only([name])).SerializeToString(), threads).run
        changes = [_change(outputs, run(feed)) for outputs, feed in zip(expected, feeds, strict=True)]
        found[name] = float(np.mean(changes, axis=0).max())
    return found


def select_int8_layers(sensitivity: Mapping[str, float], tolerance: float) -> list[str]:
    """Returns the convolutions that alone change the outputs by `tolerance` or less."""
    return [name for name, change in sensitivity.items() if change <= tolerance]


def _change(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> tuple[float, float]:
    """Returns the mean changes (of scores, of boxes) between two runs, see `sensitivities`.

    The outputs of a run are boxes [B, L, 4] and scores [B, C, L].
    """
    (boxes, scores), (new_boxes, new_scores) = expected, found
    confident = np.argsort(-scores.max(axis=1), axis=1)[:, :_POINTS]  # [B, points]
    score_change = np.take_along_axis(np.abs(scores - new_scores).max(axis=1), confident, axis=1)
    area = np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1)
    shift = np.abs(boxes - new_boxes).max(axis=-1) / np.sqrt(np.maximum(area, np.finfo(np.float32).eps))
    return float(score_change.mean()), float(np.take_along_axis(shift, confident, axis=1).mean())
