"""BatchMosaic: boxes are where their pixels are, and the ranks go on with equal draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.loading.collate import apply_batch_transforms, collate
from ppdet.data.ops import color
from ppdet.data.structures import Sample
from ppdet.data.transforms.batch_mosaic import BatchMosaic
from ppdet.data.transforms.batch_transforms import BatchRandomResize, PadGT
from tests.support.painted import painted_sample, worst_off

RESIZE = BatchRandomResize(160, interp=cv2.INTER_LINEAR, random_size=False)


def samples_of(seed: int, count: int = 4) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [painted_sample(2 * number, rng, (90 + 10 * number, 160)) for number in range(count)]


def mosaics(samples: list[Sample], seed: int, **options: Any) -> list[Sample]:
    return apply_batch_transforms(samples, [RESIZE, BatchMosaic(**options)], np.random.default_rng(seed))


@pytest.mark.parametrize("stored", [1, 2])
def test_boxes_are_where_their_pixels_are(stored: int) -> None:
    checked = 0
    for seed in range(15):
        samples = samples_of(seed)
        for sample in samples:
            height, width = sample.size
            small = cv2.resize(sample.image, (width // stored, height // stored), interpolation=cv2.INTER_AREA)
            sample.image = small
        for found in mosaics(samples, seed, degrees=(-10, 10), min_side=12):
            assert (found.size, found.image.shape, found.image.dtype) == ((160, 160), (160, 160, 3), np.uint8)
            assert found.pending_resize is None
            whole, cut = worst_off(found, found.image)
            assert whole <= stored  # a stored pixel
            assert cut <= stored + 3
            checked += len(found.gt_bbox)
    assert checked > 150


def test_each_mosaic_has_its_own_image_and_three_others() -> None:
    samples = samples_of(0)
    numbers = [set((found.gt_class[:, 0] // 2).tolist()) for found in mosaics(samples, 1, scale=(0.5, 0.5))]
    assert numbers == [{0, 1, 2, 3}] * 4
    few = mosaics(samples[:2], 1, scale=(0.5, 0.5))
    assert [set((found.gt_class[:, 0] // 2).tolist()) for found in few] == [{0, 1}] * 2
    (alone,) = mosaics(samples[:1], 1, scale=(0.5, 0.5))
    assert set(alone.gt_class[:, 0].tolist()) == {0, 1}


def test_colors_are_those_of_the_first_image_and_stay_pending() -> None:
    maps = [color.scale_contrast(0.5 + number / 10) for number in range(4)]
    samples = [replace(each, color_map=one) for each, one in zip(samples_of(0), maps, strict=True)]
    assert [found.color_map is one for found, one in zip(mosaics(samples, 0), maps, strict=True)] == [True] * 4
    plain = mosaics(samples_of(0), 0)
    for found, other in zip(mosaics(samples, 0), plain, strict=True):
        np.testing.assert_array_equal(found.image, other.image)


def test_padding_and_scores() -> None:
    samples = samples_of(0)
    samples[0] = replace(samples[0], gt_bbox=samples[0].gt_bbox[:1], gt_class=samples[0].gt_class[:1])
    samples[1].gt_score = np.float32([[0.25], [0.5]])
    padded = mosaics(PadGT()(samples, np.random.default_rng(0)), 0)
    for found, expected in zip(padded, mosaics(samples, 0), strict=True):
        np.testing.assert_array_equal(found.gt_bbox, expected.gt_bbox)
        np.testing.assert_array_equal(found.gt_class, expected.gt_class)
        scores = {2: 0.25, 3: 0.5}
        assert expected.gt_score is not None
        assert expected.gt_score[:, 0].tolist() == [
            scores.get(number, 1) for number in expected.gt_class[:, 0].tolist()
        ]
    assert collate(padded)["gt_score"].shape == collate(padded)["pad_gt_mask"].shape


def test_mixed_results_have_the_boxes_of_both() -> None:
    samples = samples_of(0)
    plain, mixed = mosaics(samples, 5), mosaics(samples, 5, mixup_prob=1.0)
    pairs = 0
    for one, both in zip(plain, mixed, strict=True):
        for other in plain:
            if len(both.gt_bbox) == len(one.gt_bbox) + len(other.gt_bbox):
                mean = (one.image.astype(int) + other.image) / 2
                pairs += bool(np.abs(mean - both.image).max() <= 1)
        np.testing.assert_array_equal(both.gt_bbox[: len(one.gt_bbox)], one.gt_bbox)
    assert pairs >= 2


def test_what_is_drawn_afterwards_does_not_depend_on_the_images() -> None:
    """Ranks have other images, and must draw the same sizes."""
    draws = []
    for samples, options in (
        (samples_of(0), {}),
        (samples_of(1)[:3], {"mixup_prob": 0.5}),
        (samples_of(2), {"prob": 0.5}),
    ):
        rng = np.random.default_rng(7)
        BatchMosaic(**options)(RESIZE(samples, rng), rng)
        draws.append(rng.uniform())
    assert draws[0] == draws[1] == draws[2]


def test_some_images_stay_as_they_are() -> None:
    samples = RESIZE(samples_of(0), np.random.default_rng(0))
    for sample, found in zip(samples, BatchMosaic(prob=0)(samples, np.random.default_rng(0)), strict=True):
        assert found is sample
    changed = [BatchMosaic(prob=0.5)(samples, np.random.default_rng(seed))[0] is not samples[0] for seed in range(100)]
    assert 30 < sum(changed) < 70


def test_images_of_several_sizes_are_refused() -> None:
    with pytest.raises(UserError, match=r"^BatchMosaic: found images of several sizes in a batch; .* put it after"):
        BatchMosaic()(samples_of(0), np.random.default_rng(0))
