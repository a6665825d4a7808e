"""CopyPaste: what is pasted has its pixels, and hides little of other boxes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ppdet.data.ops import color
from ppdet.data.structures import Sample
from ppdet.data.transforms.copy_paste import CopyPaste
from tests.support.painted import COLORS, off_by, painted_sample


def sample_of(first: int, size: tuple[int, int], seed: int = 0) -> Sample:
    return painted_sample(first, np.random.default_rng(seed), size)


def common(one: np.ndarray, other: np.ndarray) -> float:
    """The area that two boxes share, relative to the smaller one."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    areas = [np.prod(box[2:] - box[:2]) for box in (one, other)]
    return float(np.prod(np.maximum(sides, 0)) / min(areas))


def test_boxes_of_another_image_are_pasted_with_their_pixels() -> None:
    pasted = 0
    for seed in range(30):
        target, source = sample_of(0, (150, 200), seed), sample_of(4, (100, 120), seed)
        found = CopyPaste(scale=(0.4, 1), max_overlap=0, other_prob=1).mix(
            [target, source], np.random.default_rng(seed)
        )
        assert found.size == (150, 200)
        np.testing.assert_array_equal(found.gt_bbox[:2], target.gt_bbox)
        assert set(found.gt_class[2:, 0].tolist()) <= {4, 5}
        assert max(off_by(found, found.image).values()) <= 1
        pasted += len(found.gt_bbox) - 2
        untouched = target.image.copy()
        for x1, y1, x2, y2 in np.rint(found.gt_bbox[2:]).astype(int):
            untouched[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1] = 0
        np.testing.assert_array_equal(np.where(untouched > 0, found.image, 0), untouched)
    assert pasted > 8


def test_no_box_has_more_in_common_with_another_than_the_limit() -> None:
    most = 0.0
    for seed in range(40):
        target = sample_of(0, (150, 200), seed)
        found = CopyPaste(scale=(0.5, 1.2), max_overlap=0.3, count=5).mix([target], np.random.default_rng(seed))
        for number in range(2, len(found.gt_bbox)):
            assert found.gt_class[number] in target.gt_class
            most = max(most, *(common(found.gt_bbox[number], other) for other in found.gt_bbox[:number]))
            assert found.gt_bbox[number].min() >= 0
            assert (found.gt_bbox[number, 2:] <= (200, 150)).all()
    assert 0.1 < most <= 0.3


def test_images_stored_smaller_and_pending_colors() -> None:
    dark = color.scale_contrast(0.5)
    target = replace(sample_of(0, (160, 240)), color_map=dark)
    small = replace(target, image=cv2.resize(target.image, (120, 80), interpolation=cv2.INTER_AREA))
    source = replace(sample_of(4, (80, 100)), color_map=color.scale_contrast(2), gt_score=np.float32([[0.25], [0.5]]))
    for seed in range(8):
        paste = CopyPaste(scale=(0.5, 0.8), max_overlap=0)
        whole = paste.mix([target, source], np.random.default_rng(seed))
        found = paste.mix([small, source], np.random.default_rng(seed))
        np.testing.assert_array_equal(found.gt_bbox, whole.gt_bbox)
        assert (found.size, found.image.shape) == ((160, 240), (80, 120, 3))
        if len(found.gt_bbox) == 2:
            continue
        assert found.color_map is dark
        assert max(off_by(found, cv2.resize(found.image, (240, 160))).values()) <= 2
        scores = {4: 0.25, 5: 0.5}
        assert found.gt_score is not None
        assert found.gt_score[:, 0].tolist() == [scores.get(number, 1) for number in found.gt_class[:, 0].tolist()]


def test_where_the_boxes_come_from() -> None:
    def shares(**options: float) -> dict[int | None, float]:
        rng, paste = np.random.default_rng(0), CopyPaste(**options)  # type: ignore[arg-type]
        drawn = [paste.partners(rng) for _ in range(2000)]
        return {number: round(drawn.count(number) / 2000, 1) for number in set(drawn)}

    assert shares(prob=0.8, other_prob=0.25) == {None: 0.2, 0: 0.6, 1: 0.2}
    assert shares(prob=1, other_prob=0) == {0: 1}
    assert shares(prob=0) == {None: 1}


def test_nothing_to_paste() -> None:
    target = sample_of(0, (60, 80))
    empty = replace(sample_of(4, (60, 80)), gt_bbox=np.zeros((0, 4), np.float32), gt_class=np.zeros((0, 1), np.int32))
    assert CopyPaste().mix([target, empty], np.random.default_rng(0)) is target
    assert CopyPaste(min_side=1000).mix([target], np.random.default_rng(0)) is target
    found = CopyPaste(scale=(0.5, 0.5), min_side=2).mix([empty, target], np.random.default_rng(0))
    assert set(found.gt_class[:, 0].tolist()) == {0, 1}
    assert (found.image == COLORS[1]).all(axis=-1).any()
