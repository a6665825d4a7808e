"""Detections of exported models, in pixels of the original image."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.settings import ExportSettings
from ppdet.evaluation.exported import _to_original, detections
from ppdet.modeling.nms import MultiClassNMS

ROWS = np.array([[1, 0.9, 8, 16, 32, 64]], np.float32)
HALVED = np.array([0.5, 0.25], np.float32)  # y, x


@pytest.mark.parametrize(
    ("unit", "given", "expected"),
    [
        ("image", [8, 16, 32, 64], [8, 16, 32, 64]),
        ("input", [8, 16, 32, 64], [32, 32, 128, 128]),
        ("normalized", [0.125, 0.5, 0.5, 1], [32, 32, 128, 64]),
    ],
)
def test_boxes_of_every_unit(unit, given, expected):
    rows = np.array([[1, 0.9, *given]], np.float32)
    found = _to_original(rows, unit, HALVED, (32, 64))
    np.testing.assert_allclose(found, [[1, 0.9, *expected]])


def test_rows_are_split_by_image():
    settings, nms = ExportSettings(), MultiClassNMS()
    found = detections([np.repeat(ROWS, 3, axis=0), np.array([1, 0, 2], np.int32)], settings, nms)
    assert [len(rows) for rows in found] == [1, 0, 2]


def test_boxes_without_nms_get_it_here():
    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 10.5], [20, 20, 30, 30]]], np.float32)
    scores = np.array([[[0.9, 0.8, 0.7]]], np.float32)
    (rows,) = detections([boxes, scores], ExportSettings(nms=False), MultiClassNMS())
    np.testing.assert_allclose(rows[:, 1], [0.9, 0.7])
