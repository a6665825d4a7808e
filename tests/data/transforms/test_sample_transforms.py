"""The per-sample transforms against tests/references/images.py, which draws the same random numbers in the same order.

Tolerances: 1e-3 gray levels for the products of color matrices in float32; boxes are exact.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.data.datasets.box_filter import make_record
from ppdet.data.loading.collate import collate
from ppdet.data.structures import Sample
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import (
    Decode,
    NormalizeImage,
    Permute,
    RandomDistort,
    RandomFlip,
    Resize,
    apply_pending,
)
from tests.references import images as reference
from tests.support.samples import noise_sample

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
RNG = np.random.default_rng(0)  # for transforms that draw nothing


@pytest.fixture
def sample() -> Sample:
    return noise_sample(np.random.default_rng(0))


def test_distort() -> None:
    sample = noise_sample(np.random.default_rng(0))
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
    sample = noise_sample(np.random.default_rng(0))
    found = apply_pending(RandomDistort(**options)(sample, np.random.default_rng(0))).image
    np.testing.assert_allclose(found, change(sample.image.astype(np.float64)), rtol=0, atol=1e-3)


def test_flip() -> None:
    sample = noise_sample(np.random.default_rng(0), (30, 50))
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
    sample = noise_sample(np.random.default_rng(0))
    normalized = NormalizeImage(is_scale=is_scale)(sample, np.random.default_rng(0))
    expected = (sample.image / (255.0 if is_scale else 1.0) - MEAN) / STD
    np.testing.assert_allclose(apply_pending(normalized).image, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(collate([normalized])["image"][0], expected.transpose(2, 0, 1), rtol=1e-5, atol=1e-5)


def test_resize_keeps_account_of_size_and_factors() -> None:
    sample = noise_sample(np.random.default_rng(0), (40, 80))
    once = Resize([20, 60], interp=cv2.INTER_NEAREST)(sample, np.random.default_rng(0))
    assert once.scale_factor.tolist() == [0.5, 0.75]
    assert (once.size, once.im_shape.tolist()) == ((20, 60), [20, 60])
    np.testing.assert_allclose(once.gt_bbox, sample.gt_bbox * np.float32([0.75, 0.5, 0.75, 0.5]), rtol=1e-6)
    twice = Resize(30, keep_ratio=True)(once, np.random.default_rng(0))
    assert twice.scale_factor.tolist() == [0.25, 0.375]
    assert twice.size == (10, 30)


def test_transforms_leave_their_input_as_it_was(sample: Sample) -> None:
    image, boxes = sample.image.copy(), sample.gt_bbox.copy()
    for transform in (RandomCrop(allow_no_crop=False), RandomFlip(1.0), RandomDistort(), Resize(320), NormalizeImage()):
        for seed in range(5):
            transform(sample, np.random.default_rng(seed))
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.gt_bbox, boxes)


@pytest.mark.parametrize("exact", [False, True])
def test_no_transform_makes_float64(sample: Sample, exact: bool) -> None:
    for transform in (
        RandomDistort(hue=(-18, 18, 0), saturation=(0.5, 1.5, 0), contrast=(0.5, 1.5, 0), brightness=(0.5, 1.5, 0)),
        RandomCrop(),
        RandomFlip(1.0),
        Resize(320, interp=2),
        NormalizeImage(),
        Permute(),
    ):
        sample = transform(sample, np.random.default_rng(1))
        sample = apply_pending(sample) if exact else sample
        assert sample.image.dtype in ((np.float32,) if exact else (np.uint8, np.float32))
        assert sample.gt_bbox.dtype == sample.scale_factor.dtype == sample.im_shape.dtype == np.float32


def test_distort_parity_oddities() -> None:
    """parity: brightness adds gray levels, and the third number is the probability to skip."""
    sample = Sample.from_record(make_record(Path("a.jpg"), 1))
    sample.image = np.full((2, 2, 3), 100, np.uint8)

    def distorted(distort: RandomDistort) -> np.ndarray:
        return apply_pending(distort(sample, np.random.default_rng(0))).image

    skip_all = {name: (0.5, 1.5, 1) for name in ("hue", "saturation", "contrast", "brightness")}
    np.testing.assert_array_equal(distorted(RandomDistort(**skip_all)), sample.image)
    only_brightness = RandomDistort(**(skip_all | {"brightness": (0.5, 1.5, 0)}))
    added = distorted(only_brightness) - 100
    assert 0.5 <= added.min() == added.max() <= 1.5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"Resize": {"target_size": 0}}, "Resize.target_size: expected at least 1, found 0"),
        ({"Resize": {"target_size": [320]}}, "Resize.target_size: expected list[int, int] or int, found [320] (list)"),
        ({"Resize": {"target_size": [320, -1]}}, "Resize.target_size.1: expected at least 1, found -1"),
        ({"Resize": {"target_size": [1, 2, 3]}}, "Resize.target_size: expected list[int, int] or int, found [1, 2, 3]"),
        ({"Resize": {"target_size": 64, "interp": 77}}, "Resize.interp: expected at most 4, found 77"),
        (
            {"RandomCrop": {"aspect_ratio": [1]}},
            "RandomCrop.aspect_ratio: expected list[float, float], found [1] (list)",
        ),
        ({"RandomCrop": {"aspect_ratio": [2, 0.5]}}, "RandomCrop.aspect_ratio: expected numbers in ascending order"),
        ({"RandomCrop": {"scaling": [0, 1]}}, "RandomCrop.scaling.0: expected above 0, found 0"),
        ({"RandomCrop": {"scaling": [0.1, 0.5, 1]}}, "RandomCrop.scaling: expected list[float, float], found"),
        ({"RandomCrop": {"thresholds": [0.5, 1.5]}}, "RandomCrop.thresholds.1: expected at most 1, found 1.5"),
        ({"RandomCrop": {"thresholds": []}}, "RandomCrop.thresholds: expected 1 to 100 values, found []"),
        ({"RandomCrop": {"num_attempts": 0}}, "RandomCrop.num_attempts: expected at least 1, found 0"),
        ({"RandomFlip": {"prob": 5}}, "RandomFlip.prob: expected at most 1, found 5"),
        (
            {"RandomDistort": {"hue": [-18, 18]}},
            "RandomDistort.hue: expected list[float, float, float], found [-18, 18]",
        ),
        ({"RandomDistort": {"hue": [-18, 18, 5]}}, "RandomDistort.hue.2: expected at most 1, found 5"),
        (
            {"RandomDistort": {"contrast": [2, 1, 0.5]}},
            "RandomDistort.contrast: found 2.0 to 1.0; expected the smaller",
        ),
        (
            {"NormalizeImage": {"mean": [float("nan"), 0, 0]}},
            "NormalizeImage.mean.0: expected a finite number, found nan",
        ),
        (
            {"NormalizeImage": {"mean": [123.7, 116, 103]}},
            "NormalizeImage.mean: found [123.7, 116.0, 103.0] for pixels",
        ),
        ({"NormalizeImage": {"std": [1, 0, 1]}}, "NormalizeImage.std.1: expected above 0, found 0"),
        (
            {"NormalizeImage": {"std": [1, 1]}},
            "NormalizeImage.std: expected list[float, float, float], found [1, 1] (list)",
        ),
        ({"PadBatch": {"pad_to_stride": -32}}, "PadBatch.pad_to_stride: expected at least 0, found -32"),
        (
            {"BatchRandomResize": {"target_size": []}},
            "BatchRandomResize.target_size: expected 1 to 100 values, found []",
        ),
        ({"BatchRandomResize": {"target_size": [[320, 0]]}}, "BatchRandomResize.target_size.0.1: expected at least 1"),
    ],
)
def test_values_out_of_range(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        Builder(Config({})).build(spec)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("annotated", [None, (100, 200), (48, 64)])
def test_decoding_cuts_boxes_where_the_annotated_size_is_not_the_images(
    tmp_path: Path, annotated: tuple[int, int] | None
) -> None:
    """The record's boxes are cut at the annotated size, so that there is nothing to cut where that is right."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    boxes = [[10, 10, 30, 40], [50, 20, 90, 60], [70, 50, 80, 90]]
    record = make_record(tmp_path / "a.png", 1, annotated, [(index, box, 0) for index, box in enumerate(boxes)])
    sample = Decode()(Sample.from_record(record), RNG)
    assert sample.decoded_size == sample.size == (48, 64)
    if annotated == (48, 64):
        np.testing.assert_array_equal(sample.gt_bbox, boxes)
    else:
        np.testing.assert_array_equal(sample.gt_bbox, [[10, 10, 30, 40], [50, 20, 64, 48]])
        np.testing.assert_array_equal(sample.gt_class, [[0], [1]])
