"""Mosaic of release 2.6 step by step: a canvas of twice the size is filled, then warped, then another image mixed in.

The random numbers are drawn in the order of ours.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

Picture = tuple[np.ndarray, np.ndarray]  # image [h, w, 3] uint8; boxes [N, 4] float32


def mosaic(pictures: list[Picture], rng: Any, size: tuple[int, int], options: dict[str, Any]) -> Picture:
    """Four pictures, or five if one is mixed in, as one of `size`; boxes without area are kept."""
    height, width = size
    middle_y, middle_x = (int(rng.uniform(0.5 * side, 1.5 * side)) for side in size)
    canvas = np.full((2 * height, 2 * width, 3), 114, np.uint8)
    all_boxes = []
    for corner, (image, boxes) in enumerate(pictures[:4]):
        fit = min(height / image.shape[0], width / image.shape[1])
        w, h = int(image.shape[1] * fit), int(image.shape[0] * fit)
        small = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
        left = middle_x - w if corner in (0, 2) else middle_x
        top = middle_y - h if corner in (0, 1) else middle_y
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + w, 2 * width), min(top + h, 2 * height)
        canvas[y1:y2, x1:x2] = small[y1 - top : y2 - top, x1 - left : x2 - left]
        moved = boxes * fit + np.array([left, top, left, top])
        all_boxes.append(np.clip(moved, 0, [2 * width, 2 * height, 2 * width, 2 * height]))
    image, boxes = warped(canvas, np.concatenate(all_boxes), rng, size, options)
    has_area = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
    if len(pictures) == 5 and has_area.any():
        layer, others = mixup_layer(*pictures[4], rng, size, options)
        image = (0.5 * image.astype(np.float32) + 0.5 * layer.astype(np.float32)).astype(np.uint8)
        boxes = np.concatenate([boxes, others])
    return image, boxes


def warped(canvas: np.ndarray, boxes: np.ndarray, rng: Any, size: tuple[int, int], options: dict[str, Any]) -> Picture:
    height, width = size
    turn = cv2.getRotationMatrix2D((0, 0), rng.uniform(*options["degrees"]), rng.uniform(*options["scale"]))
    tangent = math.tan(math.radians(rng.uniform(*options["shear"])))
    share = rng.uniform(*options["translate"])
    matrix = np.array([turn[0] + tangent * turn[1], turn[1] + tangent * turn[0]])
    matrix[:, 2] = share * width, share * height
    image = cv2.warpAffine(canvas, matrix, (width, height), borderValue=(114, 114, 114))
    found = []
    for x1, y1, x2, y2 in boxes:
        corners = np.array([matrix @ (x, y, 1) for x in (x1, x2) for y in (y1, y2)])
        found.append([*corners.min(axis=0), *corners.max(axis=0)])
    return image, np.clip(np.reshape(found, (-1, 4)), 0, [width, height, width, height])


def mixup_layer(image: np.ndarray, boxes: np.ndarray, rng: Any, size: tuple[int, int], options: dict) -> Picture:
    """The picture in a gray frame that is scaled, perhaps mirrored, and cropped to `size`; black beside the frame."""
    height, width = size
    factor, mirrored = rng.uniform(*options["mixup_scale"]), rng.uniform() > 0.5
    fit = min(height / image.shape[0], width / image.shape[1])
    w, h = int(image.shape[1] * fit), int(image.shape[0] * fit)
    frame = np.full((height, width, 3), 114, np.uint8)
    frame[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    frame = cv2.resize(frame, (int(width * factor), int(height * factor)))
    frame_h, frame_w = frame.shape[:2]
    moved = np.clip(boxes * fit * factor, 0, [frame_w, frame_h, frame_w, frame_h])
    if mirrored:
        frame = frame[:, ::-1]
        moved[:, [0, 2]] = frame_w - moved[:, [2, 0]]
    y = rng.integers(0, frame_h - height) if frame_h > height else 0
    x = rng.integers(0, frame_w - width) if frame_w > width else 0
    layer = np.zeros((max(height, frame_h), max(width, frame_w), 3), np.uint8)
    layer[:frame_h, :frame_w] = frame
    moved = np.clip(moved - np.array([x, y, x, y]), 0, [width, height, width, height])
    return layer[y : y + height, x : x + width], moved
