from __future__ import annotations

import numpy as np
import pytest

from ppdet.deploy.draw import class_color, draw

GRAY = np.full((240, 320, 3), 90, np.uint8)


def drawn(image: np.ndarray, *boxes: tuple[int, int, int, int], class_id: int = 0, name: str = "a") -> np.ndarray:
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return draw(image, rows, scores, np.full(len(boxes), class_id), [name] * len(boxes))


def test_draws_a_box_and_leaves_the_input_alone() -> None:
    image = GRAY.copy()
    picture = drawn(image, (100, 100, 200, 180), class_id=1)
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(image, GRAY)
    np.testing.assert_array_equal(picture[140, 100], class_color(1))
    assert (picture[120:170, 110:190] == 90).all()


def test_boxes_without_scores_have_shorter_labels() -> None:
    boxes, kinds = np.array([[100, 100, 200, 180]], np.float32), np.array([1])
    filled = [
        int((draw(GRAY, boxes, scores, kinds, ["a"]) == class_color(1)).all(2).sum())
        for scores in (None, np.array([0.9], np.float32))
    ]
    assert filled[0] < filled[1]


def test_nothing_to_draw() -> None:
    np.testing.assert_array_equal(drawn(GRAY), GRAY)


def test_the_most_confident_is_on_top() -> None:
    boxes = np.array([[100, 100, 200, 180], [100, 100, 200, 180]], np.float32)
    picture = draw(GRAY, boxes, np.array([0.9, 0.8], np.float32), np.array([3, 4]), ["a", "b"])
    np.testing.assert_array_equal(picture[140, 100], class_color(3))


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (300, 2, 319, 30), (300, 220, 319, 239), (-50, -40, 400, 300)])
def test_label_lies_inside(box: tuple[int, int, int, int]) -> None:
    """The label is the one filled field: its color fills more than any 2 px outline could."""
    picture = drawn(GRAY, box, name="parking")
    field = (picture == class_color(0)).all(2)
    rows = np.flatnonzero(field.sum(1) > 25)
    assert len(rows) >= 8


def test_lines_grow_with_the_image() -> None:
    def painted_share(scale: int) -> float:
        image = np.zeros((240 * scale, 320 * scale, 3), np.uint8)
        box = (100 * scale, 100 * scale, 200 * scale, 180 * scale)
        return float((drawn(image, box)[140 * scale] > 0).any(1).mean())

    assert painted_share(4) == pytest.approx(painted_share(1), rel=0.5)


def test_neighboring_classes_differ() -> None:
    colors = [class_color(i) for i in range(20)]
    for a, b in zip(colors, colors[1:], strict=False):
        assert sum(abs(x - y) for x, y in zip(a, b, strict=True)) > 120


def test_accepts_a_view_with_negative_strides() -> None:
    np.testing.assert_array_equal(drawn(GRAY[..., ::-1], (5, 5, 50, 50)), drawn(GRAY, (5, 5, 50, 50)))
