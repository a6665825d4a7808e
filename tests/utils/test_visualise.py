from __future__ import annotations

import numpy as np
import pytest

from ppdet.utils.visualise import class_colour, draw_detections

GREY = np.full((240, 320, 3), 90, np.uint8)


def drawn_at(picture: np.ndarray) -> np.ndarray:
    return (picture != GREY).any(2)


def test_draws_a_box_and_leaves_the_input_alone() -> None:
    image = GREY.copy()
    picture = draw_detections(image, np.array([[1, 0.9, 100, 100, 200, 180]], np.float32), ["a", "b"])
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(image, GREY)
    np.testing.assert_array_equal(picture[140, 100], class_colour(1))
    assert not drawn_at(picture)[120:170, 110:190].any()


def test_threshold_and_empty() -> None:
    detections = np.array([[0, 0.3, 10, 10, 50, 50]], np.float32)
    for rows, threshold in ((detections, 0.5), (np.zeros((0, 6), np.float32), 0.0)):
        assert not drawn_at(draw_detections(GREY, rows, ["a"], threshold)).any()
    assert drawn_at(draw_detections(GREY, detections, ["a"], 0.3)).any()


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (300, 2, 319, 30), (300, 220, 319, 239), (-50, -40, 400, 300)])
def test_label_lies_inside(box: tuple[int, int, int, int]) -> None:
    """The label is the one filled field: its colour fills more than any 2 px outline could."""
    picture = draw_detections(GREY, np.array([[0, 0.5, *box]], np.float32), ["parking"], 0.1)
    field = (picture == class_colour(0)).all(2)
    rows = np.flatnonzero(field.sum(1) > 25)
    assert len(rows) >= 8


def test_lines_grow_with_the_image() -> None:
    def painted_share(scale: int) -> float:
        image = np.zeros((240 * scale, 320 * scale, 3), np.uint8)
        row = np.array([[0, 0.5, *np.multiply((100, 100, 200, 180), scale)]], np.float32)
        return float((draw_detections(image, row, ["a"], 0.1)[140 * scale] > 0).any(1).mean())

    assert painted_share(4) == pytest.approx(painted_share(1), rel=0.5)


def test_neighbouring_classes_differ() -> None:
    colours = [class_colour(i) for i in range(20)]
    for a, b in zip(colours, colours[1:], strict=False):
        assert sum(abs(x - y) for x, y in zip(a, b, strict=True)) > 120


def test_accepts_a_view_with_negative_strides() -> None:
    draw_detections(GREY[..., ::-1], np.array([[0, 0.9, 5, 5, 50, 50]], np.float32), ["a"])
