"""RandomAffine: boxes are where their pixels are, and vanish when little of them is left."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ppdet.data.loading.collate import collate
from ppdet.data.ops import color
from ppdet.data.structures import Sample
from ppdet.data.transforms.affine import RandomAffine, shown_boxes
from ppdet.data.transforms.sample_transforms import Resize, apply_pending_resize
from tests.support.painted import painted_sample, seen_box, worst_off

WIDE = {"degrees": (-10, 10), "translate": (-0.4, 0.4), "scale": (0.5, 1.5), "shear": (-3, 3)}


def _share(sample: Sample, number: int, seen: list[int]) -> float:
    """At least this share of a box is seen still; its sides may have become 1.5 times as long."""
    x1, y1, x2, y2 = sample.gt_bbox[sample.gt_class[:, 0].tolist().index(number)].tolist()
    return (seen[2] - seen[0]) * (seen[3] - seen[1]) / ((x2 - x1) * (y2 - y1) * 2.25)


@pytest.mark.parametrize("kind", ["decoded", "pending", "stored smaller", "stored smaller and pending"])
def test_boxes_are_where_their_pixels_are(kind: str) -> None:
    checked = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        sample, limit = painted_sample(2 * (seed % 4), rng, (120, 160)), 1.0
        if "stored" in kind:
            small = cv2.resize(sample.image, (80, 60), interpolation=cv2.INTER_AREA)
            sample, limit = replace(sample, image=small), 2.0  # a stored pixel
        sample = Resize((150, 150))(sample, rng) if "pending" in kind else sample
        found = RandomAffine(**WIDE, min_side=6)(sample, rng)
        assert found.size == sample.size
        image = cv2.resize(apply_pending_resize(found).image, found.size[::-1])
        whole, cut = worst_off(found, image)
        assert whole <= limit
        assert cut <= limit + 3
        checked += len(found.gt_bbox)
        for number in set(sample.gt_class[:, 0].tolist()) - set(found.gt_class[:, 0].tolist()):
            seen = seen_box(image, number)  # what is left out is hardly to be seen
            assert seen is None or min(seen[2] - seen[0], seen[3] - seen[1]) < 8 or _share(sample, number, seen) < 0.15
    assert checked > 20


def test_colors_stay_pending_and_scores_with_their_boxes() -> None:
    rng = np.random.default_rng(3)
    dark, scores = color.scale_contrast(0.5), np.float32([[0.25], [0.5]])
    sample = replace(painted_sample(1, rng, (120, 160)), color_map=dark, gt_score=scores)
    found = RandomAffine()(sample, rng)
    assert found.color_map is dark
    assert found.image.dtype == np.uint8
    assert found.gt_score is not None
    expected = {1: 0.25, 2: 0.5}
    assert found.gt_score[:, 0].tolist() == [expected[number] for number in found.gt_class[:, 0].tolist()]


def test_some_images_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    sample = painted_sample(1, rng, (60, 80))
    assert [RandomAffine(prob=0)(sample, rng) is sample for _ in range(5)] == [True] * 5
    changed = sum(RandomAffine(prob=0.5)(sample, rng) is not sample for _ in range(200))
    assert 70 < changed < 130


def test_limits_of_what_is_left() -> None:
    boxes = np.float32([[-9, 0, 1, 10], [-5, 0, 5, 10], [20, 20, 21.5, 40], [90, 90, 99, 99]])
    found = shown_boxes(boxes, np.eye(3), (50, 50), min_side=2, min_visible=0.2)
    np.testing.assert_array_equal(found, [[0] * 4, [0, 0, 5, 10], [0] * 4, [0] * 4])
    found = shown_boxes(boxes, np.eye(3), (50, 50), min_side=0, min_visible=0)
    np.testing.assert_array_equal(found[:3], [[0, 0, 1, 10], [0, 0, 5, 10], [20, 20, 21.5, 40]])


def test_a_batch_of_the_results() -> None:
    rng = np.random.default_rng(0)
    samples = [Resize(64)(RandomAffine()(painted_sample(1, rng, (60, 80 + n)), rng), rng) for n in range(3)]
    assert collate(samples)["image"].shape == (3, 3, 64, 64)
