"""Decoding and NMS in NumPy."""

from __future__ import annotations

import dataclasses

import numpy as np
import paddle
import pytest

from ppdet.deploy.errors import DeployError
from ppdet.deploy.model_config import parse_config
from ppdet.deploy.postprocess import confident, detections, nms
from ppdet.modeling.nms import MultiClassNMS
from tests.deploy.conftest import INFER_CFG

CONFIG = parse_config(INFER_CFG, "x")
INPUT, FACTOR = (64, 64), np.array([[0.5, 0.25]], np.float32)  # of an image 128 high, 256 wide


def random_outputs(count=300, classes=3):
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, 60, (1, count, 2)), rng.uniform(2, 30, (1, count, 2))
    boxes = np.concatenate([corner, corner + side], axis=2).astype(np.float32)
    return boxes, rng.uniform(0, 1, (1, classes, count)).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.9])
def test_nms_is_that_of_paddle(threshold):
    boxes, scores = random_outputs()
    reference = MultiClassNMS(score_threshold=threshold, nms_top_k=80, keep_top_k=100, nms_threshold=0.5)
    expected, _ = reference(paddle.to_tensor(boxes), paddle.to_tensor(scores))
    config = dataclasses.replace(CONFIG, per_class=80)
    (found,) = detections([boxes, scores], config, "image", INPUT, FACTOR, threshold)
    expected = expected.numpy()[np.argsort(-expected.numpy()[:, 1], kind="stable")]
    np.testing.assert_array_equal(found, expected)
    assert 5 < len(found) <= 100


def test_a_threshold_for_each_class():
    rows = np.array([[0, 0.3], [1, 0.3], [1, 0.6], [2, 0.6]], np.float32)
    limits = np.array([0.3, 0.5, 0.7], np.float32)
    np.testing.assert_array_equal(confident(rows, limits), rows[[0, 2]])
    np.testing.assert_array_equal(confident(rows, 0.5), rows[[2, 3]])
    scores = np.zeros((1, 2, 3), np.float32)
    scores[0, :, 0], scores[0, 1, 2] = (0.4, 0.4), 0.9
    boxes = np.array([[[0, 0, 9, 9], [0, 0, 9, 9], [20, 20, 30, 30]]], np.float32)
    (found,) = detections([boxes, scores], CONFIG, "input", INPUT, FACTOR, np.array([0.3, 0.5], np.float32))
    assert found[:, :2].tolist() == [[1, pytest.approx(0.9)], [0, pytest.approx(0.4)]]
    with_nms = [np.concatenate([rows, np.zeros((4, 4), np.float32)], axis=1), np.array([4])]
    (found,) = detections(with_nms, CONFIG, "image", INPUT, FACTOR, limits)
    np.testing.assert_array_equal(found[:, :2], rows[[0, 2]])


@pytest.mark.parametrize("most", [5, -1])
def test_a_model_that_needs_no_nms(most):
    """All boxes overlap; those above the threshold stay, the most confident ones."""
    boxes, scores = random_outputs()
    config = dataclasses.replace(CONFIG, needs_nms=False, per_image=most)
    (found,) = detections([boxes * 0 + [0, 0, 9, 9], scores], config, "image", INPUT, FACTOR, 0.5)
    expected = np.sort(scores[scores >= 0.5])[::-1][: most if most >= 0 else None]
    np.testing.assert_array_equal(found[:, 1], expected)
    kinds, points = np.unravel_index(np.argsort(-scores[0], axis=None)[: len(found)], scores[0].shape)
    np.testing.assert_array_equal(found[:, 0], kinds)
    (found,) = detections([boxes, scores], config, "image", INPUT, FACTOR, 0.5)
    np.testing.assert_array_equal(found[:, 2:], boxes[0, points])


def test_nms_of_nothing():
    assert nms(np.empty((0, 6), np.float32), 0.5).shape == (0, 6)


def raw_outputs(four_d: bool):
    """Levels of 8 x 8 and 4 x 4 cells; class 1 in the cell (row 1, column 2) of stride 16, its sides 1 to 4 cells."""
    scores = [np.zeros((1, n * n, 2), np.float32) for n in (8, 4)]
    logits = [np.zeros((1, n * n, 4 * 8), np.float32) for n in (8, 4)]
    scores[1][0, 1 * 4 + 2, 1] = 0.8
    for side, distance in enumerate((1, 2, 3, 4)):
        logits[1][0, 1 * 4 + 2, side * 8 + distance] = 100  # the whole distribution on one bin
    outputs = [*scores, *logits]
    if four_d:
        outputs = [
            x.transpose(0, 2, 1).reshape(1, x.shape[2], n, n) for x, n in zip(outputs, (8, 4, 8, 4), strict=True)
        ]
    return outputs


@pytest.mark.parametrize("four_d", [False, True])
@pytest.mark.parametrize(("offset", "centre"), [(0.0, (32, 16)), (0.5, (40, 24))])
def test_raw_outputs(four_d, offset, centre):
    config = dataclasses.replace(CONFIG, cell_offset=offset)
    (rows,) = detections(raw_outputs(four_d), config, "input", INPUT, np.ones((1, 2), np.float32), 0.5)
    x, y = centre
    np.testing.assert_allclose(rows, [[1, 0.8, x - 16, y - 32, x + 48, y + 64]], rtol=1e-6)


def test_units():
    bbox, bbox_num = np.array([[1, 0.9, 0.25, 0.5, 0.75, 1.0]], np.float32), np.array([1], np.int32)
    outputs = [bbox, bbox_num]
    for units, factor in (("normalized", [256, 128] * 2), ("input", [4, 2] * 2), ("image", [1, 1] * 2)):
        (rows,) = detections(outputs, CONFIG, units, INPUT, FACTOR, 0.5)
        np.testing.assert_allclose(rows[0, 2:], np.multiply([0.25, 0.5, 0.75, 1.0], factor))
    np.testing.assert_array_equal(bbox[0, 2:], np.array([0.25, 0.5, 0.75, 1.0], np.float32))  # not changed in place


@pytest.mark.parametrize("bbox", [np.empty((0, 6), np.float32), np.full((1, 1), -1, np.float32)])
def test_no_detection_in_a_batch(bbox):
    found = detections([bbox, np.zeros(3, np.int32)], CONFIG, "image", INPUT, np.ones((3, 2), np.float32), 0.0)
    assert [rows.shape for rows in found] == [(0, 6)] * 3


def test_rows_go_to_their_images():
    bbox = np.arange(24, dtype=np.float32).reshape(4, 6)
    bbox[:, 1] = [0.9, 0.3, 0.8, 0.7]
    found = detections([bbox, np.array([0, 3, 1, 0])], CONFIG, "image", INPUT, np.ones((4, 2), np.float32), 0.5)
    assert [rows[:, 1].tolist() for rows in found] == [[], [np.float32(0.9), np.float32(0.8)], [np.float32(0.7)], []]


@pytest.mark.parametrize(
    "shapes", [[(1, 5, 4), (1, 2, 6)], [(1, 5, 5)], [(1, 64, 2), (1, 16, 2), (1, 60, 32), (1, 16, 32)]]
)
def test_outputs_of_another_model(shapes):
    with pytest.raises(DeployError, match=r"^model: gives outputs of shapes"):
        detections([np.ones(shape, np.float32) for shape in shapes], CONFIG, "input", INPUT, FACTOR, 0.5)
