"""Resizing put off until collation, against OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ppdet.data import ops
from ppdet.data.ops import color, deferred_resize
from ppdet.data.ops.deferred_resize import PendingResize
from ppdet.data.structures import Sample
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import RandomFlip, Resize

COLOR_MAP = color.compose(color.rotate_hue(0.7), color.scale_contrast(1.3))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("interp", range(5))
@pytest.mark.parametrize("size", [(37, 50), (50, 37), (150, 200), (1, 1), (2, 90), (64, 64)])
@pytest.mark.parametrize("stored_smaller", [False, True])
def test_real_equals_opencv_in_float32(size: tuple[int, int], interp: int, stored_smaller: bool) -> None:
    """Cubic and Lanczos to 1e-2 gray levels (positions are float32, and OpenCV's fused arithmetic varies)."""
    image = noise(*size)
    taken_for = (size[0] * 2 + 1, size[1] * 2 + 1) if stored_smaller else size
    stretch = PendingResize(taken_for, (64 / taken_for[0], 64 / taken_for[1]), interp, in_float32=True)
    assert stretch.target == (64, 64)
    out = np.full((3, 70, 80), 7, np.float32)
    deferred_resize.write_resized(image, stretch, COLOR_MAP, out)
    expected = color.apply_map(deferred_resize.apply_resize(image, stretch), COLOR_MAP)
    np.testing.assert_allclose(out[:, :64, :64].transpose(1, 2, 0), expected, rtol=0, atol=1e-2)
    assert not out[:, 64:].any()
    assert not out[:, :, 64:].any()


def test_without_numba_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image, outs = noise(40, 30), np.empty((2, 3, 64, 64), np.float32)
    stretch = PendingResize((40, 30), (64 / 40, 64 / 30), cv2.INTER_LANCZOS4, in_float32=True)
    deferred_resize.write_resized(image, stretch, COLOR_MAP, outs[0])
    monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
    deferred_resize.write_resized(image, stretch, COLOR_MAP, outs[1])
    np.testing.assert_allclose(outs[0], outs[1], rtol=0, atol=1e-2)


def test_weights_sum_to_one_and_positions_on_pixels_copy() -> None:
    for interp in (cv2.INTER_CUBIC, cv2.INTER_LANCZOS4):
        for length, factor in ((100, 0.37), (100, 5.1)):
            np.testing.assert_allclose(deferred_resize.taps(length, factor, interp)[1].sum(axis=1), 1, atol=1e-6)
        first, weights = deferred_resize.taps(9, 1.0, interp)
        np.testing.assert_allclose(weights.max(axis=1), 1, atol=1e-5)
        np.testing.assert_array_equal(first + weights.argmax(axis=1), np.arange(9))


@pytest.mark.parametrize("after", [RandomFlip(1.0), RandomCrop(allow_no_crop=False), Resize(16)])
def test_transforms_after_a_pending_resize_see_its_pixels(after: RandomFlip | RandomCrop | Resize) -> None:
    image = noise(20, 30)
    boxes = np.array([[2, 2, 25, 18]], np.float32)
    sample = Sample(
        "a.jpg",
        0,
        None,
        image,
        np.zeros(2, np.float32),
        np.ones(2, np.float32),
        boxes,
        np.zeros((1, 1), np.int32),
        size=(20, 30),
    )
    pending = Resize(40)(sample, np.random.default_rng(0))
    assert pending.pending_resize is not None
    done = Resize(40)(sample, np.random.default_rng(0))
    done.image, done.pending_resize = deferred_resize.apply_resize(done.image, done.pending_resize), None
    results = [after(before, np.random.default_rng(1)) for before in (pending, done)]
    for field in ("gt_bbox", "size"):
        np.testing.assert_array_equal(getattr(results[0], field), getattr(results[1], field))
    np.testing.assert_array_equal(
        *(deferred_resize.apply_resize(result.image, result.pending_resize) for result in results)
    )
