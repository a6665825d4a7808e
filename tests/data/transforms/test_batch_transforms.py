"""Padding and stacking."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data import ops
from ppdet.data.loading.collate import collate
from ppdet.data.structures import Sample
from ppdet.data.transforms.batch_transforms import (
    BatchRandomResize,
    PadBatch,
    PadGT,
    pad_ground_truth,
)

RNG = np.random.default_rng(0)


def sample(boxes: int, size: tuple[int, int] = (8, 8)) -> Sample:
    return Sample(
        im_file="a.jpg",
        im_id=5,
        annotated_size=None,
        image=np.ones((*size, 3), np.float32),
        im_shape=np.array(size, np.float32),
        scale_factor=np.ones(2, np.float32),
        gt_bbox=np.ones((boxes, 4), np.float32),
        gt_class=np.ones((boxes, 1), np.int32),
        size=size,
    )


def test_fields_of_a_batch() -> None:
    arrays = collate([sample(2), sample(0)])
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


def test_a_batch_without_boxes_has_one_padded_box() -> None:
    arrays = collate([sample(0), sample(0)])
    assert arrays["gt_bbox"].shape == (2, 1, 4)
    assert not arrays["pad_gt_mask"].any()


def test_padding_twice_changes_nothing() -> None:
    padded, _ = PadGT()([sample(2), sample(5)], RNG)
    (again,) = pad_ground_truth([padded])
    assert again.pad_gt_mask is not None
    assert again.pad_gt_mask[:, 0].tolist() == [1, 1, 0, 0, 0]


def test_images_of_different_size_need_padding() -> None:
    samples = [sample(1, (8, 20)), sample(1, (16, 8))]
    with pytest.raises(UserError, match="differ in size.*PadBatch"):
        collate(samples)
    image = collate(PadBatch(32)(samples, RNG))["image"]
    assert image.shape == (2, 3, 32, 32)
    assert image.sum(axis=(1, 2, 3)).tolist() == [3 * 8 * 20, 3 * 16 * 8]
    assert collate(PadBatch()(samples, RNG))["image"].shape == (2, 3, 16, 20)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("compiled", [True, False])
def test_padding_stays_zero_and_colours_are_mapped(
    monkeypatch: pytest.MonkeyPatch, dtype: type, compiled: bool
) -> None:
    if not compiled:
        monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
    samples = [sample(1, (8, 20)), sample(1, (16, 8))]
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


def test_all_sizes_are_drawn_and_a_single_size_needs_no_list() -> None:
    resize = BatchRandomResize([32, [48, 64]], random_interp=True)
    draws = [resize.draw(np.random.default_rng(seed)) for seed in range(50)]
    assert {size for size, _ in draws} == {(32, 32), (48, 64)}
    assert {interp for _, interp in draws} == set(range(5))
    assert BatchRandomResize(320, random_size=False).draw(RNG) == ((320, 320), 0)
    for wrong, random_size in ((320, True), ([256, 288, 320], False), ([[64, 64], [32, 32]], False)):
        with pytest.raises(UserError, match=r"BatchRandomResize\.target_size: found"):
            BatchRandomResize(wrong, random_size=random_size)
