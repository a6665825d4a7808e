"""Turns a model's outputs into rows (class, score, x1, y1, x2, y2), with NumPy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from .errors import DeployError
from .model_config import ModelConfig

Threshold = float | np.ndarray  # one for all classes, or [K] float32, one for each class

_NO_SCORE = 1e-6  # so that a threshold of 0 does not give every class of every point
_ROUNDING = 0.01  # how far scores may leave 0..1


def detections(
    outputs: Sequence[np.ndarray],
    config: ModelConfig,
    units: str,
    input_size: tuple[int, int],
    scale_factor: np.ndarray,
    threshold: Threshold,
) -> list[np.ndarray]:
    """Rows [n, 6] float32 per image, in original pixels, of at least `threshold`.

    Args:
        outputs: one of three kinds, recognized by their number and rank:
            nms: bbox [M, 6] and bbox_num [B]; rows grouped by image; for one image bbox alone is enough.
            decoded: boxes [B, L, 4] xyxy and scores [B, C, L].
            raw: scores [B, h*w, C] or [B, C, h, w] of each level, the finest first, then its box distributions
                [B, h*w, 4*bins] or [B, 4*bins, h, w] (logits).
        config: the model's infer_cfg.
        units: what boxes refer to: image, input or normalized (see `box_units`).
        input_size: (height, width) of the network's input.
        scale_factor: [B, 2] (y, x).
        threshold: lowest score.

    Raises:
        DeployError: the outputs are of no such kind.
    """
    if has_nms(outputs):
        per_image = _split(outputs)
        if len(per_image) != len(scale_factor):
            raise _unknown(outputs)
        per_image = [confident(rows, threshold).astype(np.float32) for rows in per_image]
    else:
        decoded = [array.ndim for array in outputs] == [3, 3]
        candidates = _decoded(outputs, threshold) if decoded else _raw(outputs, config, input_size, threshold)
        per_image = [_choose(rows, config) for rows in candidates]
    if units != "image":
        height, width = input_size if units == "normalized" else (1, 1)
        factors = np.array([width, height] * 2, np.float32) / scale_factor[:, [1, 0, 1, 0]]
        for rows, factor in zip(per_image, factors, strict=True):
            rows[:, 2:] *= factor
    return per_image


def confident(rows: np.ndarray, threshold: Threshold) -> np.ndarray:
    """The rows [m, 6] (class, score, …) that score at least the threshold of their class."""
    lowest = threshold[rows[:, 0].astype(np.int64)] if isinstance(threshold, np.ndarray) else threshold
    return np.asarray(rows[rows[:, 1] >= lowest])


def describe_threshold(threshold: Threshold) -> str:
    """Names the lowest score, as in "threshold 0.50"."""
    if not isinstance(threshold, np.ndarray):
        return f"threshold {threshold:.2f}"
    return f"thresholds of the classes {threshold.min():.2f} to {threshold.max():.2f}"


def has_nms(outputs: Sequence[np.ndarray]) -> bool:
    """Whether the outputs are those of NMS. Some exports lack the second one."""
    return [array.ndim for array in outputs] in ([2, 1], [2])


def box_units(outputs: Sequence[np.ndarray], config: ModelConfig, takes_scale_factor: bool) -> str:
    """The units of boxes: those of infer_cfg, else those of PaddleDetection's exports, which scale for NMS only."""
    return config.boxes or ("image" if has_nms(outputs) and takes_scale_factor else "input")


def check_outputs(outputs: Sequence[np.ndarray], config: ModelConfig) -> None:
    """Raises DeployError if scores are not in 0..1, boxes are not finite, or classes are not those of label_list."""
    names, levels = len(config.labels), len(outputs) // 2
    scores: Sequence[np.ndarray]
    boxes: Sequence[np.ndarray]
    if has_nms(outputs):
        rows = np.concatenate(_split(outputs))
        scores, boxes, numbers = [rows[:, 1]], [rows[:, 2:]], rows[:, 0]
    else:
        is_decoded = [array.ndim for array in outputs] == [3, 3]
        scores, boxes = (outputs[1:], outputs[:1]) if is_decoded else (outputs[:levels], outputs[levels:])
        classes = scores[0].shape[2 if not is_decoded and scores[0].ndim == 3 else 1] if scores else names
        numbers = np.array([classes - 1])
        if classes < names:
            raise _misfit(config, f"{classes} classes")
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < names:
        largest = f"a class of number {numbers.max():g}"
        raise _misfit(config, largest if numbers.min() >= 0 else "negative class numbers")
    low, high = (float(of([of(each, initial=0.5) for each in scores], initial=0.5)) for of in (np.min, np.max))
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING and all(np.isfinite(each).all() for each in boxes)):
        raise DeployError(
            f"{config.source}: the model gives scores of {low:g} to {high:g}; expected 0 to 1, and finite boxes: its "
            "weights are damaged or have diverged; export it again from others"
        )


def _misfit(config: ModelConfig, classes: str) -> DeployError:
    return DeployError(
        f"{config.source}: label_list: found {len(config.labels)} names, and the model has {classes}; expected a name "
        "for each class; correct it, or export the model again"
    )


def _split(outputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    bbox = outputs[0]
    counts = np.asarray(outputs[1] if len(outputs) > 1 else [len(bbox)], np.int64).ravel()
    if len(counts) == 1:  # the number of points, in some files of paddle2onnx
        counts = np.minimum(counts, bbox.size // 6)
    total = int(counts.sum())
    if counts.min(initial=0) < 0 or total * 6 > bbox.size or (total and bbox.shape[1] != 6):
        raise _unknown(outputs)
    rows = bbox if total else np.empty((0, 6), np.float32)  # without any, some runtimes give [1, 1]
    per_image = np.split(rows[:total], np.cumsum(counts)[:-1])
    return [rows[rows[:, 0] != -1] for rows in per_image]  # -1: no class, in a row that stands for "none"


def _decoded(outputs: Sequence[np.ndarray], threshold: Threshold) -> list[np.ndarray]:
    boxes, scores = outputs
    if boxes.shape[2] != 4 or boxes.shape[1] != scores.shape[2]:
        raise _unknown(outputs)
    return [_candidates(s, threshold, b.__getitem__) for b, s in zip(boxes, scores, strict=True)]


def _raw(
    outputs: Sequence[np.ndarray], config: ModelConfig, input_size: tuple[int, int], threshold: Threshold
) -> list[np.ndarray]:
    """Candidates of raw outputs; only the distributions of grid points that score enough are decoded."""
    strides = config.strides
    if len(outputs) != 2 * len(strides) or not strides:
        raise _unknown(outputs)
    flat = [x.reshape(*x.shape[:2], -1).transpose(0, 2, 1) if x.ndim == 4 else x for x in outputs]
    grids = [_grid(input_size, stride, config.cell_offset) for stride in strides]
    expected = [len(grid) for grid in grids] * 2
    if [x.shape[1] if x.ndim == 3 else None for x in flat] != expected or flat[-1].shape[2] % 4:
        raise _unknown(outputs)
    levels = len(strides)
    points, steps = np.concatenate(grids), np.repeat(np.array(strides, np.float32), expected[:levels])
    scores, distributions = np.concatenate(flat[:levels], axis=1), np.concatenate(flat[levels:], axis=1)

    def decode(logits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        distances = _expectation(logits[chosen]) * steps[chosen, None]
        centers = points[chosen]
        return np.concatenate([centers - distances[:, :2], centers + distances[:, 2:]], axis=1)

    return [
        _candidates(image.T, threshold, partial(decode, logits))
        for image, logits in zip(scores, distributions, strict=True)
    ]


def _grid(input_size: tuple[int, int], stride: int, offset: float) -> np.ndarray:
    """Centers [h*w, 2] float32 (x, y) of a level's cells, row by row, input pixels."""
    height, width = (-(-side // stride) for side in input_size)
    y, x = np.mgrid[:height, :width]
    return ((np.stack([x.ravel(), y.ravel()], axis=1) + offset) * stride).astype(np.float32)


def _expectation(logits: np.ndarray) -> np.ndarray:
    """[n, 4*bins] -> [n, 4]: the mean of each side's distribution over 0, 1, 2, …"""
    logits = logits.reshape(len(logits), 4, logits.shape[1] // 4)
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    return np.asarray(weights @ np.arange(weights.shape[2], dtype=np.float32) / weights.sum(axis=2))


def _candidates(scores: np.ndarray, threshold: Threshold, boxes_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Rows of all (class, point) whose score in [C, L] is at least `threshold`; boxes_of: points [n] -> [n, 4]."""
    is_array = isinstance(threshold, np.ndarray)
    lowest = np.maximum(threshold, _NO_SCORE)[:, None] if is_array else max(threshold, _NO_SCORE)
    classes, points = np.nonzero(scores >= lowest)
    return np.column_stack([classes, scores[classes, points], boxes_of(points)]).astype(np.float32)


def _choose(rows: np.ndarray, config: ModelConfig) -> np.ndarray:
    """The detections among the candidate rows [n, 6], by descending score."""
    if config.needs_nms:
        return nms(rows, config.iou_threshold, config.per_class, config.per_image)
    order = np.argsort(-rows[:, 1], kind="stable")
    return rows[order[: config.per_image] if config.per_image >= 0 else order]


def nms(rows: np.ndarray, iou_threshold: float, per_class: int = -1, per_image: int = -1) -> np.ndarray:
    """Class-wise NMS: the rows [n, 6] that remain, by descending score.

    Args:
        rows: class, score, x1, y1, x2, y2.
        iou_threshold: largest IoU of two rows of a class that both stay.
        per_class: how many rows of a class take part, the most confident ones; -1: all.
        per_image: how many rows stay at most; -1: all.
    """
    rows = _top_of_classes(rows[np.argsort(-rows[:, 1], kind="stable")], per_class)
    of_class = {number: np.flatnonzero(rows[:, 0] == number) for number in np.unique(rows[:, 0]).tolist()}
    stays, kept = np.ones(len(rows), bool), list[int]()
    for i, number in enumerate(rows[:, 0].tolist()):
        if len(kept) == per_image:  # later rows have lower scores, whatever their class
            break
        if stays[i]:
            kept.append(i)
            rivals = of_class[number]
            overlap, area, areas = overlaps(rows[i, 2:], rows[rivals, 2:])
            stays[rivals[overlap > iou_threshold * (area + areas - overlap)]] = False
    return rows[kept]


def _top_of_classes(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of each class of the sorted rows; -1: all."""
    if not 0 <= count < len(rows):
        return rows
    chosen = [np.flatnonzero(rows[:, 0] == number)[:count] for number in np.unique(rows[:, 0])]
    return rows[np.sort(np.concatenate(chosen))]


def overlaps(box: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """The areas that `box` [4] shares with each of `boxes` [n, 4], the area of `box`, and those of `boxes`."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    area = float(np.prod(np.maximum(box[2:] - box[:2], 0)))
    return np.prod(np.maximum(sides, 0), axis=1), area, np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def _unknown(outputs: Sequence[np.ndarray]) -> DeployError:
    shapes = ", ".join(str(list(array.shape)) for array in outputs)
    return DeployError(
        f"model: gives outputs of shapes {shapes}; expected those of a PicoDet that was exported with "
        "tools/export_model.py"
    )
