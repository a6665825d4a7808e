"""What PaddleDetection's `deploy/python/infer.py` does with a folder, for tests that our exports run there.

Written from its behavior: which decoder `arch` selects, what the network is fed, how a decoder reads the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

Run = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]  # a model: inputs by name -> outputs in order

SUPPORTED = ("YOLO", "RCNN", "SSD", "GFL", "PicoDet", "TOOD", "DETR")
_SCORE = 0.4  # of the decoder of raw outputs, which takes only the IoU from infer_cfg.yml


def detect(folder: Path, run: Run, image: Path) -> np.ndarray:
    """Rows [n, 6] (class, score, x1, y1, x2, y2) of an image file, by descending score."""
    config = yaml.safe_load((folder / "infer_cfg.yml").read_text())
    assert any(name in config["arch"] for name in SUPPORTED)
    for key in ("use_dynamic_shape", "min_subgraph_size", "label_list"):
        assert key in config
    feed = _inputs(config["Preprocess"], image)
    outputs = run(feed)
    rows = _raw(outputs, feed, config) if config["arch"] == "PicoDet" else _boxes(outputs)
    return rows[np.argsort(-rows[:, 1], kind="stable")]


def _inputs(steps: list[dict[str, Any]], image: Path) -> dict[str, np.ndarray]:
    """image [1, 3, H, W], im_shape [1, 2] and scale_factor [1, 2] (y, x), float32: each model takes those it has."""
    pixels = cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB)
    info = {"im_shape": pixels.shape[:2], "scale_factor": (1.0, 1.0)}
    for step in steps:
        options = {key: value for key, value in step.items() if key != "type"}
        pixels = _STEPS[step["type"]](pixels, info, **options)
    arrays = {name: np.array([value], np.float32) for name, value in info.items()}
    return {"image": pixels[None].astype(np.float32), **arrays}


def _resize(pixels, info, target_size, keep_ratio=True, interp=1):
    height, width = target_size
    y, x = height / pixels.shape[0], width / pixels.shape[1]
    if keep_ratio:
        y = x = min(target_size) / min(pixels.shape[:2])
        if round(y * max(pixels.shape[:2])) > max(target_size):
            y = x = max(target_size) / max(pixels.shape[:2])
    pixels = cv2.resize(pixels, None, None, fx=x, fy=y, interpolation=interp)
    info.update(im_shape=pixels.shape[:2], scale_factor=(y, x))
    return pixels


def _normalize(pixels, info, mean, std, is_scale=True, norm_type="mean_std"):
    pixels = pixels.astype(np.float32) / (255.0 if is_scale else 1.0)
    return pixels if norm_type != "mean_std" else (pixels - np.array(mean)) / np.array(std)


def _pad(pixels, info, stride=0):
    if stride <= 0:
        return pixels
    missing = [-side % stride for side in pixels.shape[1:]]
    return np.pad(pixels, [(0, 0), (0, missing[0]), (0, missing[1])])


_STEPS: dict[str, Callable[..., np.ndarray]] = {
    "Resize": _resize,
    "NormalizeImage": _normalize,
    "Permute": lambda pixels, info: pixels.transpose(2, 0, 1),
    "PadStride": _pad,
}


def _boxes(outputs: list[np.ndarray]) -> np.ndarray:
    """The first output has the boxes of all images, the second how many each image has."""
    bbox, bbox_num = outputs
    return bbox[: bbox_num[0]]


def _raw(outputs: list[np.ndarray], feed: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> np.ndarray:
    """The first half of the outputs are each level's scores [1, h * w, C], the second its distributions."""
    half = len(outputs) // 2
    height, width = feed["image"].shape[2:]
    all_boxes, all_scores = [], []
    for stride, scores, logits in zip(config["fpn_stride"], outputs[:half], outputs[half:], strict=True):
        bins = logits.shape[-1] // 4
        logits = logits[0].reshape(-1, 4, bins)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        distances = (weights / weights.sum(axis=2, keepdims=True) * np.arange(bins)).sum(axis=2) * stride
        x, y = np.meshgrid(np.arange(width / stride), np.arange(height / stride))
        centers = np.stack([(x.ravel() + 0.5) * stride, (y.ravel() + 0.5) * stride], axis=1)
        all_boxes.append(np.concatenate([centers - distances[:, :2], centers + distances[:, 2:]], axis=1))
        all_scores.append(scores[0])
    boxes, scores = np.concatenate(all_boxes), np.concatenate(all_scores)
    rows = [np.empty((0, 6))]
    for kind in range(scores.shape[1]):
        order = [i for i in np.argsort(-scores[:, kind], kind="stable") if scores[i, kind] > _SCORE]
        while order:
            first, order = order[0], order[1:]
            rows.append(np.array([[kind, scores[first, kind], *boxes[first]]]))
            order = [i for i in order if _iou(boxes[first], boxes[i]) <= config["NMS"]["nms_threshold"]]
    found = np.concatenate(rows)
    im_height, im_width = feed["im_shape"][0]
    y, x = feed["scale_factor"][0]
    found[:, 2:] = found[:, 2:].clip(0, [im_width, im_height] * 2) / [x, y, x, y]
    return found


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return sides.prod() / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - sides.prod() + 1e-5)
