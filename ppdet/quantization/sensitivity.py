"""Which convolutions can be quantised: each one is tried alone, and what it changes in the decoded outputs decides."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from ppdet.export.runners import Feed, onnx_runner
from ppdet.quantization.qdq import Ranges, quantized

_POINTS = 100  # per image, the surest of the float model: what the detections are made of


def sensitivities(
    model: Any, ranges: Ranges, names: Sequence[str], feeds: Sequence[Feed], threads: int
) -> dict[str, float]:
    """How far the decoded outputs move when one of the named convolutions alone is in INT8, for each of them.

    The larger of two means over the surest points of the feeds' images: the largest change of a class's score, and the
    largest shift of a side relative to the square root of the box's area.
    """
    exposed = _with_decoded_outputs(model)
    run = onnx_runner(exposed, threads)
    expected = [run(feed) for feed in feeds]
    found = {}
    for name in tqdm(names, desc="sensitivity", unit="layer", leave=False, disable=None):
        run = onnx_runner(quantized(exposed, ranges, [name]), threads)
        changes = [_change(floats, run(feed)) for floats, feed in zip(expected, feeds, strict=True)]
        found[name] = float(np.mean(changes, axis=0).max())
    return found


def tolerant(sensitivity: Mapping[str, float], tolerance: float) -> list[str]:
    """The convolutions that alone change the outputs by no more than `tolerance`."""
    return [name for name, change in sensitivity.items() if change <= tolerance]


def _with_decoded_outputs(model: Any) -> Any:
    """A copy that gives `boxes` [B, L, 4] and `scores` [B, C, L], which NMS (if any) reads."""
    from onnx import TensorProto, helper

    model = copy.deepcopy(model)
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("boxes", "scores")
    )
    return model


def _change(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> tuple[float, float]:
    """(of scores, of boxes), see `sensitivities`; each run's outputs are boxes [B, L, 4] and scores [B, C, L]."""
    (boxes, scores), (new_boxes, new_scores) = expected, found
    surest = np.argsort(-scores.max(axis=1), axis=1)[:, :_POINTS]  # [B, points]
    score_change = np.take_along_axis(np.abs(scores - new_scores).max(axis=1), surest, axis=1)
    area = np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1)
    shift = np.abs(boxes - new_boxes).max(axis=-1) / np.sqrt(np.maximum(area, np.finfo(np.float32).eps))
    return float(score_change.mean()), float(np.take_along_axis(shift, surest, axis=1).mean())
