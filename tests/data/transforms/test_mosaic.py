"""Mosaic against tests/references/mosaic.py and against the pixels of painted boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.data.ops import color
from ppdet.data.structures import Sample
from ppdet.data.transforms.mosaic import Mosaic
from ppdet.data.transforms.sample_transforms import Resize
from tests.references import mosaic as reference
from tests.support.painted import off_by, painted_sample, seen_box
from tests.support.samples import noise_sample

PUBLISHED = {"degrees": (-10, 10), "translate": (-0.1, 0.1), "scale": (0.1, 2), "shear": (-2, 2)}
UPRIGHT = {"degrees": (0, 0), "shear": (0, 0)}
SIZES = [(60, 90), (80, 64), (50, 50), (120, 90), (70, 100)]


def smooth_samples(seed: int, count: int) -> list[Sample]:
    """Samples of blurred noise, on which one interpolation is like two."""
    rng = np.random.default_rng(seed)
    samples = [noise_sample(rng, size) for size in SIZES[:count]]
    return [replace(each, image=cv2.GaussianBlur(each.image, (15, 15), 6)) for each in samples]


@pytest.mark.parametrize("size", [(96, 96), (64, 128)])
@pytest.mark.parametrize("count", [4, 5])
def test_the_result_is_that_of_the_published_order(count: int, size: tuple[int, int]) -> None:
    options = PUBLISHED | {"mixup_scale": (0.5, 1.5)}
    mixed = 0
    for seed in range(30):
        samples = smooth_samples(seed, count)
        ours = Mosaic(input_dim=size, **options).mix(samples, np.random.default_rng(seed))
        pictures = [(each.image, each.gt_bbox) for each in samples]
        image, boxes = reference.mosaic(pictures, np.random.default_rng(seed), size, options)
        has_area = (boxes[:, :2] < boxes[:, 2:]).all(axis=1)
        np.testing.assert_allclose(ours.gt_bbox, boxes[has_area], rtol=0, atol=2e-3)
        classes = np.concatenate([each.gt_class for each in samples])[: len(boxes)]
        np.testing.assert_array_equal(ours.gt_class, classes[has_area])
        assert (ours.image.shape, ours.image.dtype, ours.size) == ((*size, 3), np.uint8, size)
        assert ours.im_shape.tolist() == list(size)
        difference = np.abs(ours.image.astype(float) - image).max(axis=-1)
        assert np.median(difference) <= 1.5
        assert (difference > 8).mean() < 0.08  # the edges of images, which the published order blurs
        mixed += len(boxes) > sum(len(each.gt_bbox) for each in samples[:4])
    assert (mixed > 20) == (count == 5)


@pytest.mark.parametrize(
    "options", [UPRIGHT | {"scale": (0.5, 1.5)}, {"scale": (0.4, 0.6)}, {"scale": (0.8, 1.2)}], ids=str
)
def test_boxes_are_where_their_pixels_are(options: dict[str, Any]) -> None:
    """Turned boxes that the border cuts are as wide as if they were whole, as published, and are not compared."""
    checked = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        samples = [painted_sample(2 * number, rng, (90 + 10 * number, 160)) for number in range(4)]
        found = Mosaic(input_dim=160, enable_mixup=False, **PUBLISHED | options).mix(samples, rng)
        inside = ((found.gt_bbox > 1) & (found.gt_bbox < 159)).all(axis=1)
        compared = inside if "degrees" not in options else np.ones_like(inside)
        sides = (found.gt_bbox[:, 2:] - found.gt_bbox[:, :2]).min(axis=1)
        off = off_by(found, found.image)
        numbers = found.gt_class[compared & (sides > 12), 0].tolist()
        assert max([off[number] for number in numbers], default=0) <= 1
        checked += len(numbers)
        seen = {number for number in range(8) if seen_box(found.image, number)}
        assert {number for number in seen if number not in found.gt_class} == set()
    assert checked > 15


def test_images_stored_smaller_or_with_a_pending_resize_and_colors() -> None:
    mosaic = Mosaic(input_dim=128, enable_mixup=False, **PUBLISHED | UPRIGHT)
    rng = np.random.default_rng(0)
    whole = [painted_sample(2 * number, rng, (100, 160)) for number in range(4)]
    small = [replace(each, image=cv2.resize(each.image, (80, 50), interpolation=cv2.INTER_AREA)) for each in whole]
    pending = [Resize((200, 320))(each, rng) for each in whole]
    darker = [replace(each, color_map=color.scale_contrast(0.5)) for each in whole]
    for seed in range(5):
        expected = mosaic.mix(whole, np.random.default_rng(seed))
        for samples in (small, pending):
            found = mosaic.mix(samples, np.random.default_rng(seed))
            np.testing.assert_allclose(found.gt_bbox, expected.gt_bbox, atol=1e-3)
            assert found.pending_resize is None
            assert np.median(np.abs(found.image.astype(int) - expected.image)) <= 2
        found = mosaic.mix(darker, np.random.default_rng(seed))
        assert found.color_map is None
        lit = expected.image != 114
        assert np.abs(found.image[lit].astype(float) - 0.5 * expected.image[lit]).mean() < 2


def test_how_many_partners_are_drawn() -> None:
    def shares(**options: Any) -> dict[int | None, float]:
        rng, mosaic = np.random.default_rng(0), Mosaic(**options)
        drawn = [mosaic.partners(rng) for _ in range(2000)]
        return {number: round(drawn.count(number) / 2000, 1) for number in set(drawn)}

    assert shares() == {4: 1}
    assert shares(prob=0.6) == {None: 0.4, 4: 0.6}
    assert shares(prob=0.5, mixup_prob=0.4) == {None: 0.5, 3: 0.3, 4: 0.2}
    assert shares(enable_mixup=False) == {3: 1}


def test_boxes_outside_are_removed_or_cut() -> None:
    rng = np.random.default_rng(1)
    samples = [painted_sample(number, rng, (100, 160)) for number in range(5)]
    options = {"input_dim": 128, "mixup_scale": (1.5, 1.5)} | PUBLISHED | UPRIGHT
    for seed in range(10):
        cut = Mosaic(**options).mix(samples, np.random.default_rng(seed))
        whole = Mosaic(**options, remove_outside_box=True).mix(samples, np.random.default_rng(seed))
        np.testing.assert_allclose(np.clip(whole.gt_bbox, 0, 128), cut.gt_bbox, atol=1e-4)
        np.testing.assert_array_equal(whole.gt_class, cut.gt_class)


def test_scores_stay_with_their_boxes() -> None:
    rng = np.random.default_rng(0)
    samples = [painted_sample(2 * number, rng, (100, 160)) for number in range(4)]
    samples[2].gt_score = np.float32([[0.25], [0.5]])
    found = Mosaic(input_dim=128, scale=(0.5, 0.5), enable_mixup=False).mix(samples, rng)
    assert found.gt_score is not None
    expected = {4: 0.25, 5: 0.5}
    assert found.gt_score[:, 0].tolist() == [expected.get(number, 1) for number in found.gt_class[:, 0].tolist()]
    assert len(set(found.gt_class[:, 0].tolist()) & set(expected)) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prob": 1.5}, "TrainReader.sample_transforms.1.Mosaic.prob: expected at most 1, found 1.5"),
        ({"scale": [0, 2]}, "TrainReader.sample_transforms.1.Mosaic.scale.0: expected above 0, found 0"),
        ({"scale": [2, 1]}, "TrainReader.sample_transforms.1.Mosaic.scale: expected numbers in ascending order"),
        ({"shear": [-90, 2]}, "TrainReader.sample_transforms.1.Mosaic.shear.0: expected above -45, found -90"),
        ({"input_dim": 0}, "TrainReader.sample_transforms.1.Mosaic.input_dim"),
        ({"degreess": [0, 1]}, "TrainReader.sample_transforms.1.Mosaic.degreess: Mosaic has no option 'degreess'; "),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    reader = {"sample_transforms": ["Decode", {"Mosaic": options}], "mosaic_epoch": 0}
    with pytest.raises(UserError) as error:
        Builder(Config({"TrainReader": reader})).build("TrainReader")
    assert str(error.value).startswith(message)
