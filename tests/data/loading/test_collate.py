"""Collation: stacking, padding, pending operations, and whole training batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.data import ops
from ppdet.data.loading.batches import on_cpu
from ppdet.data.loading.collate import apply_batch_transforms, collate
from ppdet.data.ops.device_color import map_colors
from ppdet.data.transforms.batch_transforms import (
    BatchRandomResize,
    PadBatch,
)
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import (
    NormalizeImage,
    Permute,
    RandomDistort,
    RandomFlip,
)
from tests.references import images as reference
from tests.support.samples import noise_sample, plain_sample

RNG = np.random.default_rng(0)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def test_fields_of_a_batch() -> None:
    arrays = collate([plain_sample(2), plain_sample(0)])
    assert {name: (array.shape, str(array.dtype)) for name, array in arrays.items()} == {
        "image": ((2, 3, 8, 8), "float32"),
        "im_shape": ((2, 2), "float32"),
        "scale_factor": ((2, 2), "float32"),
        "im_id": ((2,), "int64"),
        "gt_bbox": ((2, 2, 4), "float32"),
        "gt_class": ((2, 2, 1), "int32"),
        "pad_gt_mask": ((2, 2, 1), "float32"),
    }
    assert arrays["pad_gt_mask"][..., 0].tolist() == [[1, 1], [0, 0]]
    assert not arrays["gt_bbox"][1].any()


def test_a_batch_has_scores_if_a_sample_has_some() -> None:
    scored = replace(plain_sample(1), gt_score=np.float32([[0.25]]))
    for samples, expected in (
        ([scored, plain_sample(2)], [[0.25, 0], [1, 1]]),
        ([plain_sample(0), scored], [[0], [0.25]]),
    ):
        arrays = collate(samples)
        assert arrays["gt_score"].dtype == np.float32
        assert arrays["gt_score"][..., 0].tolist() == expected
        batch = on_cpu(arrays)
        assert batch.targets.gt_score.numpy()[..., 0].tolist() == expected
    assert on_cpu(collate([plain_sample(1)])).targets.gt_score is None


def test_a_batch_without_boxes_has_one_padded_box() -> None:
    arrays = collate([plain_sample(0), plain_sample(0)])
    assert arrays["gt_bbox"].shape == (2, 1, 4)
    assert not arrays["pad_gt_mask"].any()


def test_images_of_different_size_need_padding() -> None:
    samples = [plain_sample(1, (8, 20)), plain_sample(1, (16, 8))]
    with pytest.raises(UserError, match="differ in size.*PadBatch"):
        collate(samples)
    image = collate(PadBatch(32)(samples, RNG))["image"]
    assert image.shape == (2, 3, 32, 32)
    assert image.sum(axis=(1, 2, 3)).tolist() == [3 * 8 * 20, 3 * 16 * 8]
    assert collate(PadBatch()(samples, RNG))["image"].shape == (2, 3, 16, 20)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("compiled", [True, False])
def test_padding_stays_zero_and_colors_are_mapped(monkeypatch: pytest.MonkeyPatch, dtype: type, compiled: bool) -> None:
    if not compiled:
        monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
    samples = [plain_sample(1, (8, 20)), plain_sample(1, (16, 8))]
    rng = np.random.default_rng(0)
    for one in samples:
        one.image = rng.integers(0, 255, one.image.shape).astype(dtype)
        one.color_map = rng.normal(size=(3, 4))
    batch = collate(PadBatch(32)(samples, RNG))["image"]
    assert batch.dtype == np.float32
    for one, image in zip(samples, batch, strict=True):
        height, width = one.size
        expected = one.image @ one.color_map[:, :3].T + one.color_map[:, 3]
        np.testing.assert_allclose(image[:, :height, :width], expected.transpose(2, 0, 1), rtol=0, atol=1e-3)
        assert not image[:, height:].any()
        assert not image[:, :, width:].any()


@pytest.mark.parametrize("compiled", [True, False])
def test_a_batch_of_training(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """Crop, flip, colors, resize to a size of the batch, normalization, padded boxes: every pixel and every box."""
    if not compiled:
        monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
    rng = np.random.default_rng(5)
    samples = [noise_sample(rng) for _ in range(8)]
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


def test_arrays_are_written_into_the_buffer_if_there_is_room() -> None:
    samples = [plain_sample(1), plain_sample(1)]
    needed = len(collate(samples).memory)
    buffer = np.zeros(needed + 5, np.uint8)
    arrays = collate(samples, buffer)
    image = arrays["image"]
    assert all(np.shares_memory(array, buffer) for array in arrays.values())
    assert (image == 1).all()
    small = np.zeros(needed - 1, np.uint8)
    image = collate(samples, small)["image"]
    assert not np.shares_memory(image, small)
    assert (image == 1).all()


def test_pending_resizes_are_applied_by_collation_or_after_each_transform() -> None:
    sample = noise_sample(np.random.default_rng(0), (40, 60))
    transforms = [BatchRandomResize(32, random_size=False), NormalizeImage()]
    (pending,), (done,) = (apply_batch_transforms([sample], transforms, RNG, exact) for exact in (False, True))
    assert pending.pending_resize is not None
    assert pending.color_map is not None
    assert pending.image is sample.image
    assert (done.pending_resize, done.color_map, done.image.dtype) == (None, None, np.float32)
    np.testing.assert_allclose(collate([pending])["image"], collate([done])["image"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("interp", range(5))
@pytest.mark.parametrize("distorted", [True, False])
def test_images_that_the_device_normalizes(interp: int, distorted: bool) -> None:
    """They are uint8 unless the interpolation overshoots, and the device then gets the values of the host."""
    rng = np.random.default_rng(3)
    samples = [noise_sample(rng) for _ in range(3)]
    if distorted:
        samples = [RandomDistort()(sample, rng) for sample in samples]
    transforms = [BatchRandomResize(32, interp=interp, random_size=False), NormalizeImage(), Permute()]
    changed = apply_batch_transforms(samples, transforms, rng)
    expected, arrays = collate(changed), collate(changed, device_normalize=True)
    if arrays["image"].dtype == np.float32:
        assert interp in (2, 4)
        np.testing.assert_array_equal(arrays["image"], expected["image"])
        return
    assert arrays["image"].dtype == np.uint8
    found = map_colors(*(paddle.to_tensor(arrays[name]) for name in ("image", "color_map"))).numpy()
    np.testing.assert_allclose(found, expected["image"], rtol=0, atol=1e-6)


def test_padded_and_float_images_are_normalized_on_the_host() -> None:
    samples = [noise_sample(np.random.default_rng(0), (20, 30)), noise_sample(np.random.default_rng(1), (32, 32))]
    assert collate(PadBatch(32)(samples, RNG), device_normalize=True)["image"].dtype == np.float32
    assert collate(PadBatch(32)(samples[1:], RNG), device_normalize=True)["image"].dtype == np.uint8
    assert collate([plain_sample(1)], device_normalize=True)["image"].dtype == np.float32
