"""Sizes of a batch, and padding."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.transforms.batch_transforms import (
    BatchRandomResize,
    PadBatch,
    PadGT,
    PadMaskBatch,
    pad_ground_truth,
)
from tests.support.samples import noise_sample, plain_sample

RNG = np.random.default_rng(0)


def test_padding_twice_changes_nothing() -> None:
    padded, _ = PadGT()([plain_sample(2), plain_sample(5)], RNG)
    (again,) = pad_ground_truth([padded])
    assert again.pad_gt_mask is not None
    assert again.pad_gt_mask[:, 0].tolist() == [1, 1, 0, 0, 0]


def test_all_sizes_are_drawn_and_a_single_size_needs_no_list() -> None:
    resize = BatchRandomResize([32, [48, 64]], random_interp=True)
    draws = [resize.draw(np.random.default_rng(seed)) for seed in range(50)]
    assert {size for size, _ in draws} == {(32, 32), (48, 64)}
    assert {interp for _, interp in draws} == set(range(5))
    assert BatchRandomResize(320, random_size=False).draw(RNG) == ((320, 320), 0)
    for wrong, random_size in ((320, True), ([256, 288, 320], False), ([[64, 64], [32, 32]], False)):
        with pytest.raises(UserError, match=r"BatchRandomResize\.target_size: found"):
            BatchRandomResize(wrong, random_size=random_size)


def test_one_size_and_interpolation_for_a_batch() -> None:
    resize = BatchRandomResize([32, 64, [48, 96]], random_interp=True)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        size = [(32, 32), (64, 64), (48, 96)][rng.choice(3)]
        interp = [cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4][
            rng.choice(5)
        ]
        assert resize.draw(np.random.default_rng(seed)) == (size, interp)


def test_boxes_are_padded_to_the_largest_count_and_to_one_at_least() -> None:
    one, other = pad_ground_truth([plain_sample(1), plain_sample(3)])
    assert one.gt_bbox.tolist() == [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert (one.gt_class[:, 0].tolist(), other.gt_class[:, 0].tolist()) == ([1, 0, 0], [1, 1, 1])
    assert one.pad_gt_mask is not None
    assert one.pad_gt_mask[:, 0].tolist() == [1, 0, 0]
    (empty,) = pad_ground_truth([plain_sample(0)])
    assert (empty.gt_bbox.shape, empty.gt_class.shape) == ((1, 4), (1, 1))


def test_all_samples_have_scores_or_none() -> None:
    scored, plain = replace(plain_sample(1), gt_score=np.float32([[0.5]])), plain_sample(2)
    for samples, expected in (([scored, plain], [[0.5, 0], [1, 1]]), ([plain, plain], None)):
        once = pad_ground_truth(samples)
        found = [None if one.gt_score is None else one.gt_score[:, 0].tolist() for one in pad_ground_truth(once)]
        assert found == (expected or [None, None])


@pytest.mark.parametrize(("stride", "size"), [(0, (16, 20)), (1, (16, 20)), (8, (16, 24)), (32, (32, 32))])
def test_pad_batch_rounds_the_largest_size_up(stride: int, size: tuple[int, int]) -> None:
    samples = [plain_sample(1, (8, 20)), plain_sample(1, (16, 8))]
    padded = PadBatch(stride)(samples, RNG)
    assert [sample.padded_size for sample in padded] == [size, size]
    assert [sample.size for sample in padded] == [(8, 20), (16, 8)]  # boxes still refer to these
    assert [sample.padded_size for sample in samples] == [None, None]


def test_pad_mask_batch_pads_as_pad_batch() -> None:
    samples = [plain_sample(1, (8, 20)), plain_sample(1, (16, 8))]
    for stride, size in ((-1, (16, 20)), (32, (32, 32))):
        assert [sample.padded_size for sample in PadMaskBatch(stride)(samples, RNG)] == [size, size]


def test_batch_random_resize_resizes_all_images_alike() -> None:
    rng = np.random.default_rng(0)
    samples = [noise_sample(rng) for _ in range(3)]
    resized = BatchRandomResize([32, 64])(samples, np.random.default_rng(1))
    assert len({sample.size for sample in resized}) == 1
    assert all(sample.pending_resize is not None for sample in resized)
    assert [sample.pending_resize for sample in samples] == [None] * 3
