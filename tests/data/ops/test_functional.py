"""Geometry of images and boxes: values computed by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ppdet.data.ops import functional as F

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def boxes(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_flip_boxes() -> None:
    given = boxes([10, 5, 30, 25], [0, 0, 100, 1])
    assert F.flip_boxes(given, 100).tolist() == [[70, 5, 90, 25], [0, 0, 100, 1]]
    assert given[0].tolist() == [10, 5, 30, 25]


def test_crop() -> None:
    np.testing.assert_array_equal(F.crop(IMAGE, (4, 6), (1, 2, 5, 4)), IMAGE[2:4, 1:5])
    # an image of 40 x 60 stored at a tenth: edges are rounded, and one pixel stays
    np.testing.assert_array_equal(F.crop(IMAGE, (40, 60), (14, 16, 47, 40)), IMAGE[2:4, 1:5])
    np.testing.assert_array_equal(F.crop(IMAGE, (40, 60), (58, 38, 59, 39)), IMAGE[3:4, 5:6])
    np.testing.assert_array_equal(F.crop(IMAGE, (40, 60), (12, 22, 14, 24)), IMAGE[2:3, 1:2])


def test_crop_boxes() -> None:
    given = boxes(
        [12, 10, 30, 30],  # inside
        [0, 0, 24, 24],  # its center (12, 12) is inside: clipped
        [0, 0, 16, 16],  # its center (8, 8) is not
        [10, 10, 10, 50],  # without width
        [0, 0, 20, 20],  # its center is the window's first corner, which is inside
        [80, 80, 100, 100],  # its center is the last corner, which is not
    )
    moved, kept = F.crop_boxes(given, (10, 10, 90, 90))
    assert kept.tolist() == [0, 1, 4]
    assert moved.tolist() == [[2, 0, 20, 20], [0, 0, 14, 14], [0, 0, 10, 10]]
    assert moved.dtype == np.float32


def test_clip_boxes() -> None:
    given = boxes([-5, 2, 10, 60], [0, 0, 50, 40], [50, 5, 60, 10], [10, -9, 20, 0], [3, 3, 4, 4])
    clipped, kept = F.clip_boxes(given, (40, 50))
    assert kept.tolist() == [0, 1, 4]
    assert clipped.tolist() == [[0, 2, 10, 40], [0, 0, 50, 40], [3, 3, 4, 4]]


def test_iou_with() -> None:
    given = boxes([0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 5, 10], [2, 2, 4, 4])
    assert F.iou_with(given, (0, 0, 10, 10)) == pytest.approx([1, 50 / 150, 0, 0.5, 0.04])


def test_pairwise_iou() -> None:
    a, b = boxes([0, 0, 10, 10], [20, 20, 30, 30]), boxes([5, 0, 15, 10], [0, 0, 5, 10], [0, 0, 10, 10])
    assert F.pairwise_iou(a, b).tolist() == [pytest.approx([50 / 150, 0.5, 1]), [0, 0, 0]]
    assert F.pairwise_iou(boxes(), b).shape == (0, 3)


def test_resize() -> None:
    np.testing.assert_array_equal(F.resize(IMAGE, (4, 6), (0.5, 0.5), cv2.INTER_NEAREST), IMAGE[::2, ::2])
    larger = F.resize(IMAGE, (4, 6), (2, 3), cv2.INTER_NEAREST)
    np.testing.assert_array_equal(larger, IMAGE.repeat(2, axis=0).repeat(3, axis=1))
    # taken for 40 x 60, times (0.05, 0.1): 2 x 6
    np.testing.assert_array_equal(F.resize(IMAGE, (40, 60), (0.05, 0.1), cv2.INTER_NEAREST), IMAGE[::2])
    halves = F.resize(np.float32(IMAGE), (4, 6), (0.5, 0.5), cv2.INTER_LINEAR)
    np.testing.assert_allclose(halves, np.float32(IMAGE).reshape(2, 2, 3, 2, 3).mean(axis=(1, 3)), atol=1e-5)


def test_resize_boxes() -> None:
    resized = F.resize_boxes(boxes([10, 20, 30, 40], [-5, 50, 70, 90]), (0.5, 2), (40, 100))
    assert resized.tolist() == [[20, 10, 60, 20], [0, 25, 100, 40]]
    assert resized.dtype == np.float32
