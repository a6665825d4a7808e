"""RandomCrop against tests/references/images.py, which draws the same random numbers in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppdet.data import ops
from ppdet.data.structures import Sample
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import (
    Resize,
)
from tests.references import images as reference
from tests.support.samples import noise_sample

RNG = np.random.default_rng(0)  # for transforms that draw nothing


@pytest.fixture
def sample() -> Sample:
    return noise_sample(np.random.default_rng(0))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"cover_all_box": True}, {"allow_no_crop": False}, {"scaling": (0.5, 0.8), "aspect_ratio": (0.8, 1.2)}],
    ids=str,
)
def test_crop(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], compiled: bool) -> None:
    if not compiled:
        monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
    samples_rng, crops = np.random.default_rng(0), 0
    for seed in range(60):
        sample = noise_sample(samples_rng)
        boxes = sample.gt_bbox.tolist()
        ours, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
        found = RandomCrop(**options)(sample, ours)
        window = reference.random_window(sample.size, boxes, theirs, **options)
        assert ours.uniform() == theirs.uniform()  # as many numbers were drawn
        if window is None:
            assert found is sample
            continue
        crops += 1
        x1, y1, x2, y2 = window
        np.testing.assert_array_equal(found.image, sample.image[y1:y2, x1:x2])
        assert found.size == (y2 - y1, x2 - x1)
        kept = reference.cropped_boxes(boxes, window)
        np.testing.assert_array_equal(found.gt_bbox, np.float32(list(kept.values())))
        assert found.gt_class[:, 0].tolist() == list(kept)
    assert crops > 20


@pytest.mark.parametrize("options", [{}, {"cover_all_box": True}, {"allow_no_crop": False}])
def test_every_crop_keeps_boxes_inside_the_image(sample: Sample, options: dict) -> None:
    for seed in range(30):
        cropped = RandomCrop(**options)(sample, np.random.default_rng(seed))
        height, width = cropped.image.shape[:2]
        assert 0 < len(cropped.gt_bbox) == len(cropped.gt_class)
        assert (cropped.gt_bbox >= 0).all()
        assert (cropped.gt_bbox <= [width, height, width, height]).all()
        assert (cropped.gt_bbox[:, 2:] > cropped.gt_bbox[:, :2]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2)])
def test_crop_of_an_image_of_a_few_pixels(sample: Sample, size: tuple[int, int]) -> None:
    tiny = Resize(size)(sample, RNG)
    for seed in range(20):
        assert min(RandomCrop(allow_no_crop=False)(tiny, np.random.default_rng(seed)).image.shape) > 0


@pytest.mark.parametrize("options", [{}, {"cover_all_box": True}, {"allow_no_crop": False}])
def test_crop_draws_the_same_with_and_without_numba(monkeypatch: pytest.MonkeyPatch, options: dict) -> None:
    found: dict[bool, list] = {}
    for compiled in (True, False):
        if not compiled:
            monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
        rng, boxes_rng = np.random.default_rng(1), np.random.default_rng(2)
        windows = found[compiled] = []
        for _ in range(200):
            corners = boxes_rng.uniform(0, 300, (boxes_rng.integers(1, 6), 2))
            boxes = np.hstack([corners, corners + boxes_rng.uniform(1, 200, corners.shape)]).astype(np.float32)
            size = tuple(map(int, boxes_rng.integers(1, 500, 2)))
            windows.append(RandomCrop(**options).choose_window(size, boxes, rng))
        windows.append(rng.uniform())
    assert found[True] == found[False]
    assert sum(window is not None for window in found[True]) > 10


def test_crop_without_boxes_changes_nothing() -> None:
    empty = noise_sample(np.random.default_rng(0), count=0)
    rng = np.random.default_rng(1)
    assert RandomCrop()(empty, rng) is empty
    assert rng.uniform() == np.random.default_rng(1).uniform()  # nothing was drawn
