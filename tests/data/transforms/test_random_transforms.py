"""The random transforms against tests/references/images.py, which draws the same random numbers in the same order.

Tolerances: 1e-3 gray levels for the products of colour matrices in float32; boxes are exact.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.data import ops
from ppdet.data.loading.collate import apply_batch_transforms, collate
from ppdet.data.structures import Sample
from ppdet.data.transforms.batch_transforms import BatchRandomResize
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import (
    NormalizeImage,
    Permute,
    RandomDistort,
    RandomFlip,
    Resize,
    apply_pending,
)
from tests.references import images as reference

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def make_sample(rng: np.random.Generator, size: tuple[int, int] | None = None, count: int | None = None) -> Sample:
    """Noise of up to 90 x 120 pixels with 1 to 5 boxes, all or some of them inside."""
    height, width = size or (int(rng.integers(20, 90)), int(rng.integers(20, 120)))
    count = int(rng.integers(1, 6)) if count is None else count
    corners = rng.uniform(0, 0.8, (count, 2)) * (width, height)
    boxes = np.hstack([corners, corners + rng.uniform(2, 60, corners.shape)]).clip(0, [width, height] * 2)
    return Sample(
        im_file="noise.png",
        im_id=1,
        annotated_size=None,
        image=rng.integers(0, 256, (height, width, 3), np.uint8),
        im_shape=np.array([height, width], np.float32),
        scale_factor=np.ones(2, np.float32),
        gt_bbox=boxes.astype(np.float32),
        gt_class=np.arange(count, dtype=np.int32).reshape(-1, 1),
        size=(height, width),
    )


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
        sample = make_sample(samples_rng)
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


def test_distort() -> None:
    sample = make_sample(np.random.default_rng(0))
    changed = 0
    for seed in range(40):
        found = apply_pending(RandomDistort()(sample, np.random.default_rng(seed))).image
        expected = reference.distorted(sample.image, np.random.default_rng(seed))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)
        changed += not np.array_equal(expected, sample.image)
    assert changed > 30


@pytest.mark.parametrize(
    ("name", "draw", "change"),
    [
        ("brightness", (20.0, 20.0, 0), lambda image: reference.brighter(image, 20)),
        ("contrast", (0.6, 0.6, 0), lambda image: reference.more_contrast(image, 0.6)),
        ("saturation", (1.4, 1.4, 0), lambda image: reference.more_saturated(image, 1.4)),
        ("hue", (0.3, 0.3, 0), lambda image: reference.hue_rotated(image, 0.3)),
    ],
)
def test_each_change_of_color(name: str, draw: tuple[float, float, float], change: Any) -> None:
    options = {each: (0.5, 1.5, 1) for each in ("hue", "saturation", "contrast", "brightness")} | {name: draw}
    sample = make_sample(np.random.default_rng(0))
    found = apply_pending(RandomDistort(**options)(sample, np.random.default_rng(0))).image
    np.testing.assert_allclose(found, change(sample.image.astype(np.float64)), rtol=0, atol=1e-3)


def test_flip() -> None:
    sample = make_sample(np.random.default_rng(0), (30, 50))
    flipped = 0
    for seed in range(100):
        found = RandomFlip(0.3)(sample, np.random.default_rng(seed))
        if np.random.default_rng(seed).uniform() >= 0.3:
            assert found is sample
            continue
        flipped += 1
        np.testing.assert_array_equal(found.image, sample.image[:, ::-1])
        x1, y1, x2, y2 = sample.gt_bbox.T
        np.testing.assert_array_equal(found.gt_bbox, np.stack([50 - x2, y1, 50 - x1, y2], axis=1))
    assert 20 < flipped < 40
    assert RandomFlip(1.0)(sample, np.random.default_rng(0)) is not sample
    assert RandomFlip(0.0)(sample, np.random.default_rng(0)) is sample


@pytest.mark.parametrize("is_scale", [True, False])
def test_normalize(is_scale: bool) -> None:
    sample = make_sample(np.random.default_rng(0))
    normalized = NormalizeImage(is_scale=is_scale)(sample, np.random.default_rng(0))
    expected = (sample.image / (255.0 if is_scale else 1.0) - MEAN) / STD
    np.testing.assert_allclose(apply_pending(normalized).image, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(collate([normalized])["image"][0], expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-5)


def test_resize_keeps_account_of_size_and_factors() -> None:
    sample = make_sample(np.random.default_rng(0), (40, 80))
    once = Resize([20, 60], interp=cv2.INTER_NEAREST)(sample, np.random.default_rng(0))
    assert once.scale_factor.tolist() == [0.5, 0.75]
    assert (once.size, once.im_shape.tolist()) == ((20, 60), [20, 60])
    np.testing.assert_allclose(once.gt_bbox, sample.gt_bbox * np.float32([0.75, 0.5, 0.75, 0.5]), rtol=1e-6)
    twice = Resize(30, keep_ratio=True)(once, np.random.default_rng(0))
    assert twice.scale_factor.tolist() == [0.25, 0.375]
    assert twice.size == (10, 30)


def test_one_size_and_interpolation_for_a_batch() -> None:
    resize = BatchRandomResize([32, 64, [48, 96]], random_interp=True)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        size = [(32, 32), (64, 64), (48, 96)][rng.choice(3)]
        interp = [cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4][
            rng.choice(5)
        ]
        assert resize.draw(np.random.default_rng(seed)) == (size, interp)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_batch_of_training(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """Crop, flip, colors, resize to a size of the batch, normalization, padded boxes: every pixel and every box."""
    if not compiled:
        monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
    rng = np.random.default_rng(5)
    samples = [make_sample(rng) for _ in range(8)]
    ours, theirs = np.random.default_rng(6), np.random.default_rng(6)
    changed = samples
    for transform in (RandomCrop(), RandomFlip(), RandomDistort()):
        changed = [transform(sample, ours) for sample in changed]
    batch_transforms = [BatchRandomResize([32, 48]), NormalizeImage(), Permute()]
    batch = collate(apply_batch_transforms(changed, batch_transforms, ours))

    windows = [reference.random_window(s.size, s.gt_bbox.tolist(), theirs) for s in samples]
    flips = [theirs.uniform() < 0.5 for _ in samples]
    images, boxes = [], []
    for sample, window, flip in zip(samples, windows, flips, strict=True):
        x1, y1, x2, y2 = window = window or (0, 0, sample.size[1], sample.size[0])
        kept = list(reference.cropped_boxes(sample.gt_bbox.tolist(), window).values())
        image = sample.image[y1:y2, x1:x2]
        width = x2 - x1
        boxes.append([[width - b[2], b[1], width - b[0], b[3]] if flip else b for b in kept])
        images.append(reference.distorted(image[:, ::-1] if flip else image, theirs))
    side = [32, 48][theirs.choice(2)]
    most = max(map(len, boxes))
    for i, (image, rows) in enumerate(zip(images, boxes, strict=True)):
        height, width = image.shape[:2]
        expected = (reference.nearest(image, (side, side)) / 255 - MEAN) / STD
        np.testing.assert_allclose(batch["image"][i], expected.transpose(2, 0, 1), rtol=0, atol=1e-4)
        padded = np.zeros((most, 4))
        padded[: len(rows)] = np.array(rows) * np.array([side / width, side / height] * 2)
        np.testing.assert_allclose(batch["gt_bbox"][i], padded, rtol=1e-5)
        assert batch["pad_gt_mask"][i, :, 0].tolist() == [1] * len(rows) + [0] * (most - len(rows))
    assert any(flips)
    assert any(windows)
