"""Pad and RandomExpand as published: where the image lies, and what is around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.ops import color
from ppdet.data.transforms.expand import Pad, RandomExpand
from ppdet.data.transforms.sample_transforms import Resize, apply_pending
from tests.support.painted import off_by, painted_sample
from tests.support.samples import noise_sample

RNG = np.random.default_rng(0)  # for transforms that draw nothing


@pytest.mark.parametrize(
    ("options", "size", "corner"),
    [
        ({}, (64, 96), (0, 0)),
        ({"size_divisor": 50}, (50, 100), (0, 0)),
        ({"size": 100, "pad_mode": 1}, (100, 100), (15, 25)),
        ({"size": [60, 80], "pad_mode": 2}, (60, 80), (10, 10)),
        ({"size": [60, 80], "pad_mode": -1, "offsets": [3, 7]}, (60, 80), (3, 7)),
    ],
)
def test_pad(options: dict[str, Any], size: tuple[int, int], corner: tuple[int, int]) -> None:
    sample, (x, y) = noise_sample(np.random.default_rng(0), (50, 70)), corner
    found = Pad(**options, fill_value=(10, 20, 30))(sample, RNG)
    assert (found.size, found.image.shape, found.image.dtype) == (size, (*size, 3), np.uint8)
    expected = np.empty((*size, 3), np.uint8)
    expected[:] = (10, 20, 30)
    expected[y : y + 50, x : x + 70] = sample.image
    np.testing.assert_array_equal(found.image, expected)
    np.testing.assert_array_equal(found.gt_bbox, sample.gt_bbox + np.float32([x, y, x, y]))
    assert Pad(size=(50, 70))(sample, RNG) is sample
    assert bool(Pad(**options).only_training) == bool(options.get("pad_mode"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 40}, r"^Pad\.size: found an image of 70 x 50 pixels, for which a canvas of 40 x 40 has no room;"),
        ({"size": 80, "pad_mode": -1, "offsets": (11, 0)}, r"^Pad\.size: found an image of 70 x 50 pixels"),
        ({"pad_mode": -1}, r"^Pad\.pad_mode: found -1 without offsets; -1 needs them"),
        ({"offsets": (1, 2)}, r"^Pad\.pad_mode: found 0 with offsets; -1 needs them, and no other has them"),
    ],
)
def test_what_does_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Pad(**options)(noise_sample(np.random.default_rng(0), (50, 70)), RNG)


def test_expand() -> None:
    """As published, `prob` is the probability of no change."""
    same = 0
    for seed in range(60):
        sample = noise_sample(np.random.default_rng(seed))
        found = RandomExpand(ratio=3.0, prob=0.3, fill_value=(1, 2, 3))(sample, np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        if rng.uniform() < 0.3:
            assert found is sample
            same += 1
            continue
        (height, width), ratio = sample.size, rng.uniform(1, 3)
        size = int(height * ratio), int(width * ratio)
        if size[0] <= height or size[1] <= width:
            continue
        y, x = rng.integers(size[0] - height), rng.integers(size[1] - width)
        assert found.size == found.image.shape[:2] == size
        np.testing.assert_array_equal(found.image[y : y + height, x : x + width], sample.image)
        np.testing.assert_array_equal(found.gt_bbox, sample.gt_bbox + np.float32([x, y, x, y]))
        outside = np.ones(size, bool)
        outside[y : y + height, x : x + width] = False
        assert (found.image[outside] == (1, 2, 3)).all()
    assert 5 < same < 35


def test_the_canvas_has_its_color_after_pending_changes() -> None:
    turned = color.compose(color.shift_brightness(3), color.rotate_hue(0.3))
    sample = replace(noise_sample(np.random.default_rng(0), (40, 40)), color_map=turned)
    found = Pad(size=60, fill_value=(120, 130, 125))(sample, RNG)
    assert found.image.dtype == np.uint8
    around = apply_pending(found).image[45:, 45:]
    assert np.abs(around - (120, 130, 125)).max() < 1.5


@pytest.mark.parametrize("kind", ["stored smaller", "pending"])
def test_boxes_are_where_their_pixels_are(kind: str) -> None:
    for seed in range(10):
        sample = painted_sample(2, np.random.default_rng(seed), (80, 120))
        if kind == "pending":
            sample = Resize((100, 90))(sample, RNG)
        else:
            sample = replace(sample, image=cv2.resize(sample.image, (60, 40), interpolation=cv2.INTER_AREA))
        found = RandomExpand(prob=0)(sample, np.random.default_rng(seed))
        assert max(off_by(found, cv2.resize(found.image, found.size[::-1])).values()) <= 2
