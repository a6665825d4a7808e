"""Mixup and Cutmix as published: pixels, boxes and scores of two images."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ppdet.data.structures import Sample
from ppdet.data.transforms.mixup import Cutmix, Mixup
from tests.support.samples import noise_sample


def pair(seed: int) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [noise_sample(rng), noise_sample(rng)]


def padded(sample: Sample, height: int, width: int) -> np.ndarray:
    canvas = np.zeros((height, width, 3))
    canvas[: sample.size[0], : sample.size[1]] = sample.image
    return canvas


def check_boxes(found: Sample, first: Sample, other: Sample, share: float) -> None:
    np.testing.assert_array_equal(found.gt_bbox, np.concatenate([first.gt_bbox, other.gt_bbox]))
    np.testing.assert_array_equal(found.gt_class, np.concatenate([first.gt_class, other.gt_class]))
    scores = [share] * len(first.gt_bbox) + [1 - share] * len(other.gt_bbox)
    assert found.gt_score is not None
    assert found.gt_score.dtype == np.float32
    np.testing.assert_allclose(found.gt_score[:, 0], scores, atol=1e-6)


def test_mixup() -> None:
    for seed in range(10):
        first, other = pair(seed)
        found = Mixup(1.5, 2.5).mix([first, other], np.random.default_rng(seed))
        share = np.random.default_rng(seed).beta(1.5, 2.5)
        height, width = (max(sides) for sides in zip(first.size, other.size, strict=True))
        expected = share * padded(first, height, width) + (1 - share) * padded(other, height, width)
        assert (found.image.dtype, found.size) == (np.uint8, (height, width))
        assert np.abs(found.image - expected).max() <= 1
        check_boxes(found, first, other, share)


def test_cutmix() -> None:
    cut = 0
    for seed in range(10):
        first, other = pair(seed)
        found = Cutmix().mix([first, other], np.random.default_rng(seed))
        rng = np.random.default_rng(seed)
        share = rng.beta(1.5, 1.5)
        height, width = (max(sides) for sides in zip(first.size, other.size, strict=True))
        half_w, half_h = int(width * np.sqrt(1 - share)) // 2, int(height * np.sqrt(1 - share)) // 2
        x, y = rng.integers(width), rng.integers(height)
        rows = slice(max(y - half_h, 0), min(y + half_h, height - 1))
        columns = slice(max(x - half_w, 0), min(x + half_w, width - 1))
        expected = padded(first, height, width)
        expected[rows, columns] = padded(other, height, width)[rows, columns]
        np.testing.assert_array_equal(found.image, expected)
        check_boxes(found, first, other, share)
        cut += half_w > 3
    assert cut > 5


@pytest.mark.parametrize("cls", [Mixup, Cutmix])
def test_scores_are_multiplied_and_smaller_images_are_enlarged(cls: type[Mixup]) -> None:
    first, other = pair(1)
    scored = replace(first, gt_score=np.full((len(first.gt_bbox), 1), 0.5, np.float32))
    small = replace(other, image=cv2.resize(other.image, (10, 10)))
    plain = cls().mix([first, other], np.random.default_rng(3))
    found = cls().mix([scored, small], np.random.default_rng(3))
    assert found.gt_score is not None
    assert plain.gt_score is not None
    count = len(first.gt_bbox)
    np.testing.assert_allclose(found.gt_score[:count], 0.5 * plain.gt_score[:count])
    np.testing.assert_array_equal(found.gt_score[count:], plain.gt_score[count:])
    np.testing.assert_array_equal(found.gt_bbox, plain.gt_bbox)
    assert found.size == plain.size
    assert cls().partners(np.random.default_rng(0)) == 1
