"""Changes of pixel values: colors in HSV."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.ops import color
from ppdet.data.transforms.pixels import AugmentHSV
from tests.support.samples import noise_sample


def published_gains(image: np.ndarray, rng: np.random.Generator, gains: list[float], is_bgr: bool) -> np.ndarray:
    to, back = (cv2.COLOR_BGR2HSV, cv2.COLOR_HSV2BGR) if is_bgr else (cv2.COLOR_RGB2HSV, cv2.COLOR_HSV2RGB)
    hsv = cv2.cvtColor(image, to)
    amounts = rng.uniform(-1, 1, 3) * gains
    amounts *= rng.integers(0, 2, 3)
    hue, saturation, value = (hsv[..., index].astype(np.float64) for index in range(3))
    hsv[..., 0] = ((hue + amounts[0]) % 180).astype(np.uint8)
    hsv[..., 1] = np.clip(saturation + amounts[1], 0, 255).astype(np.uint8)
    hsv[..., 2] = np.clip(value + amounts[2], 0, 255).astype(np.uint8)
    return cv2.cvtColor(hsv, back)


@pytest.mark.parametrize("is_bgr", [True, False])
def test_gains(is_bgr: bool) -> None:
    changed = 0
    for seed in range(20):
        sample = noise_sample(np.random.default_rng(seed))
        before = sample.image.copy()
        found = AugmentHSV(is_bgr=is_bgr, hgain=5, sgain=30, vgain=30)(sample, np.random.default_rng(seed))
        expected = published_gains(before, np.random.default_rng(seed), [5, 30, 30], is_bgr)
        np.testing.assert_array_equal(found.image, expected)
        np.testing.assert_array_equal(sample.image, before)
        assert found.gt_bbox is sample.gt_bbox
        changed += np.abs(expected.astype(int) - before).max() > 8
    assert changed > 10


def test_factors() -> None:
    for seed in range(20):
        sample = noise_sample(np.random.default_rng(seed))
        found = AugmentHSV(fraction=0.5)(sample, np.random.default_rng(seed)).image
        saturation, value = (2 * np.random.default_rng(seed).uniform(size=2) - 1) * 0.5 + 1
        hsv = cv2.cvtColor(sample.image, cv2.COLOR_BGR2HSV).astype(np.float64)
        hsv = np.clip(hsv * (1, saturation, value), 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(found, cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))


def test_pending_colors_are_applied_first() -> None:
    sample = noise_sample(np.random.default_rng(0))
    pending = replace(sample, color_map=color.scale_contrast(0.5))
    applied = replace(sample, image=np.rint(0.5 * sample.image).astype(np.uint8))
    found, expected = (AugmentHSV()(each, np.random.default_rng(1)) for each in (pending, applied))
    assert found.color_map is None
    np.testing.assert_array_equal(found.image, expected.image)


@pytest.mark.parametrize(("options", "message"), [({"hgain": 5, "vgain": 3}, "sgain"), ({"vgain": 3}, "hgain")])
def test_gains_are_given_all_or_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"^AugmentHSV\.{message}: not given; expected a number, because"):
        AugmentHSV(**options)
