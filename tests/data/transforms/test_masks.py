"""GridMask and RandomErasingImage."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.ops import color
from ppdet.data.structures import Sample
from ppdet.data.transforms.masks import GridMask, RandomErasingImage
from tests.support.samples import noise_sample


def ones(size: tuple[int, int], images_before: int = 10**9) -> Sample:
    sample = noise_sample(np.random.default_rng(0), size)
    return replace(sample, image=np.ones((*size, 3), np.uint8), images_before=images_before)


def test_a_grid_is_drawn_as_published() -> None:
    for seed in range(20):
        for mode in (0, 1):
            found = GridMask(prob=1, mode=mode)(ones((40, 60)), np.random.default_rng(seed)).image
            rng = np.random.default_rng(seed)
            rng.uniform()
            period = rng.integers(2, 40)
            stripe = min(max(int(period * 0.5 + 0.5), 1), period - 1)
            first_y, first_x = rng.integers(period), rng.integers(period)
            hidden = np.zeros((60, 90), bool)
            for number in range(60 // period):
                hidden[number * period + first_y : number * period + first_y + stripe] = True
            for number in range(90 // period):
                hidden[:, number * period + first_x : number * period + first_x + stripe] = True
            hidden = hidden[10:50, 15:75]
            np.testing.assert_array_equal(found[..., 0], hidden if mode else ~hidden)


def test_one_direction_and_a_turned_grid() -> None:
    rows = GridMask(prob=1, use_w=False)(ones((40, 60)), np.random.default_rng(1)).image[..., 0]
    assert (rows == rows[:, :1]).all()
    columns = GridMask(prob=1, use_h=False)(ones((40, 60)), np.random.default_rng(1)).image[..., 0]
    assert (columns == columns[:1]).all()
    turned = GridMask(prob=1, use_w=False, rotate=90)(ones((40, 60)), np.random.default_rng(1)).image[..., 0]
    assert not (turned == turned[:, :1]).all()


def test_the_share_grows_with_the_images_before() -> None:
    def share(images_before: int) -> float:
        rng, mask, sample = np.random.default_rng(0), GridMask(prob=0.8, upper_iter=100), ones((8, 8), images_before)
        return sum(mask(sample, rng) is not sample for _ in range(500)) / 500

    assert share(0) == 0
    assert 0.32 < share(50) < 0.48
    assert 0.72 < share(100) < 0.88
    assert 0.72 < share(10**6) < 0.88


def test_what_is_hidden_stays_0_after_pending_changes_of_color() -> None:
    sample = replace(ones((40, 60)), color_map=color.shift_brightness(7))
    found = GridMask(prob=1)(sample, np.random.default_rng(0))
    assert found.color_map is None
    assert set(np.unique(found.image).tolist()) == {0, 8}
    noisy = GridMask(prob=1, offset=True)(sample, np.random.default_rng(0)).image
    np.testing.assert_array_equal(noisy[found.image > 0], 8)
    assert np.abs(noisy[found.image == 0]).max() <= 1
    assert np.abs(noisy[found.image == 0]).mean() > 0.3


def test_rectangles_in_boxes_are_erased() -> None:
    erased = 0
    for seed in range(40):
        sample = ones((60, 80))
        found = RandomErasingImage(prob=0.7, lower=0.1, higher=0.3)(sample, np.random.default_rng(seed))
        zeros = found.image[..., 0] == 0
        allowed, areas = np.zeros((60, 80), bool), 0.0
        for x1, y1, x2, y2 in sample.gt_bbox:
            allowed[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1] = True
            areas += (x2 - x1) * (y2 - y1)
        assert not (zeros & ~allowed).any()
        assert zeros.sum() <= 0.4 * areas
        assert (sample.image == 1).all()
        erased += zeros.any()
    assert erased > 25
    assert RandomErasingImage(prob=0)(sample, np.random.default_rng(0)) is sample


def test_an_image_stored_smaller() -> None:
    sample = ones((60, 80))
    small = replace(sample, image=cv2.resize(sample.image, (40, 30)))
    for seed in range(10):
        whole = RandomErasingImage(prob=1)(sample, np.random.default_rng(seed)).image
        found = RandomErasingImage(prob=1)(small, np.random.default_rng(seed)).image
        assert found.shape == (30, 40, 3)
        assert (cv2.resize(found, (80, 60), interpolation=cv2.INTER_NEAREST) != whole).mean() < 0.1


def test_a_range_that_is_empty() -> None:
    with pytest.raises(UserError, match=r"RandomErasingImage\.lower: found 0\.5, above higher, 0\.4; expected"):
        RandomErasingImage(lower=0.5)
