"""Affine maps of boxes and images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ppdet.data.ops import warp


def brute_force(box: list[float], places: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The bounds of those of many points in the box that are mapped into the image."""
    x, y = np.meshgrid(np.linspace(box[0], box[2], 401), np.linspace(box[1], box[3], 401))
    points = (np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1) @ places.T)[:, :2]
    seen = points[((points >= 0) & (points <= [size[1], size[0]])).all(axis=1)]
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)]) if len(seen) else np.zeros(4)


def test_visible_bounds_are_those_of_the_points_that_are_seen() -> None:
    rng, size = np.random.default_rng(0), (60, 80)
    cut = 0
    for _ in range(20):
        corners = rng.uniform(-20, 80, (6, 2))
        boxes = np.hstack([corners, corners + rng.uniform(5, 90, (6, 2))]).astype(np.float32)
        places = warp.shift(*rng.uniform(-10, 10, 2)) @ warp.turn(rng.uniform(-180, 180), rng.uniform(0.5, 1.5))
        found = warp.visible_bounds(boxes, places, size)
        for box, ours in zip(boxes, found, strict=True):
            expected = brute_force(box.tolist(), places, size)
            if (ours[:2] < ours[2:]).all():
                np.testing.assert_allclose(ours, expected, atol=0.6)
            else:
                assert (expected[2:] - expected[:2]).min() < 0.6
        cut += (np.abs(found - warp.bounds(boxes, places)) > 1).any(axis=1).sum()
        each = np.stack([warp.visible_bounds(box[None], places, size)[0] for box in boxes])
        np.testing.assert_allclose(found, each, atol=1e-4)
        maps = np.repeat(places[None], 6, axis=0)
        np.testing.assert_allclose(warp.visible_bounds(boxes, maps, size), found, atol=1e-4)
    assert cut > 60


def test_a_box_around_the_whole_image_shows_the_whole_image() -> None:
    found = warp.visible_bounds(np.float32([[-500, -500, 500, 500]]), warp.turn(30, 1), (60, 80))
    np.testing.assert_allclose(found, [[0, 0, 80, 60]])


@pytest.mark.parametrize(
    "places", [np.eye(3), warp.shift(-7, 5), warp.scale(2, 0.5), warp.mirror(50), warp.turn(90, 1)]
)
def test_an_image_is_drawn_where_its_corners_are_mapped_to(places: np.ndarray) -> None:
    image, canvas = np.full((30, 50, 3), 200, np.uint8), np.zeros((80, 110, 3), np.uint8)
    warp.draw(canvas, image, warp.shift(20, 40) @ places)
    x1, y1, x2, y2 = np.clip(
        warp.bounds(np.array([[0, 0, 50, 30]]), warp.shift(20, 40) @ places)[0], 0, [110, 80] * 2
    ).astype(int)
    expected = np.zeros_like(canvas)
    expected[y1:y2, x1:x2] = 200
    np.testing.assert_array_equal(canvas, expected)


def test_pixels_are_those_of_a_resize() -> None:
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8), (9, 9), 3)
    canvas = np.zeros((60, 100, 3), np.uint8)
    warp.draw(canvas, image, warp.scale(2, 2))
    assert np.abs(canvas.astype(int) - cv2.resize(image, (100, 60))).max() <= 2
    mirrored = np.zeros((30, 50, 3), np.uint8)
    warp.draw(mirrored, image, warp.mirror(50), interp=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(mirrored, image[:, ::-1])


def test_neighbors_leave_no_gap() -> None:
    white = np.full((20, 20, 3), 255, np.uint8)
    for seed in range(30):
        rng, canvas = np.random.default_rng(seed), np.zeros((40, 40, 3), np.uint8)
        turned = (
            warp.shift(20, 20)
            @ warp.turn(rng.uniform(-180, 180), rng.uniform(1, 2))
            @ warp.shift(*rng.uniform(-2, 2, 2))
        )
        for x in (-20, 0):
            for y in (-20, 0):
                warp.draw(canvas, white, turned @ warp.shift(x, y))
        assert (canvas[15:25, 15:25] == 255).all()


def test_a_window_of_an_image() -> None:
    canvas = np.zeros((40, 40, 3), np.uint8)
    warp.draw(canvas, np.full((30, 30, 3), 9, np.uint8), warp.shift(5, 5), window=(10, 2, 20, 4))
    assert np.argwhere(canvas[..., 0]).min(axis=0).tolist() == [7, 15]
    assert np.argwhere(canvas[..., 0]).max(axis=0).tolist() == [8, 24]
    warp.draw(canvas, np.full((30, 30, 3), 99, np.uint8), warp.shift(100, 5))  # outside
    assert canvas.max() == 9
