"""The published transforms, compared with golden/transforms (release 2.6, OpenCV 4.5.5).

The golden random transforms drew from NumPy's global generator with the seed that ends their name. `legacy_rng` offers
that generator under the Generator's names, so a transform that draws in upstream's order must give upstream's result.
Images may be one gray level off (OpenCV versions round differently); boxes agree to 1e-3 pixels.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ppdet.data.datasets import COCODataSet
from ppdet.data.loading.collate import apply_batch_transforms, collate
from ppdet.data.structures import Record, Sample
from ppdet.data.transforms.batch_transforms import (
    BatchRandomResize,
    BatchTransform,
    PadBatch,
    PadGT,
)
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

RNG = np.random.default_rng(0)  # for transforms that draw nothing


def legacy_rng(seed: int) -> SimpleNamespace:
    state = np.random.RandomState(seed)
    return SimpleNamespace(
        uniform=state.uniform,
        integers=state.randint,
        shuffle=state.shuffle,
        permutation=state.permutation,
        choice=state.choice,
    )


class Golden:
    def __init__(self, folder: Path) -> None:
        self.arrays = np.load(folder / "transforms.npz")
        self.facts = json.loads((folder / "transforms.json").read_text())

    def check(self, name: str, sample: Sample, gray: float = 1.0) -> None:
        """Every field of the sample against golden `name`; image values within `gray`.

        Ours is channel first only in the batch, and may be uint8 where the original has turned the same values into
        float32.
        """
        fact = self.facts[f"{name}/image"]
        image = collate([sample])["image"][0] if fact["shape"][0] == 3 else apply_pending(sample).image
        assert list(image.shape) == fact["shape"]
        assert image.dtype in (np.uint8, fact["dtype"])
        stored = self.arrays[f"{name}/image"]
        ours = image if stored.ndim == 3 else image.reshape(-1)[::37]
        difference = np.abs(ours.astype(np.float32) - stored.astype(np.float32))
        assert difference.max() <= gray, (name, difference.max())
        assert abs(float(image.mean()) - fact["mean"]) < 0.02 * max(gray, 0.1)
        for field, tolerance in (("gt_bbox", 1e-3), ("gt_class", 0), ("im_shape", 0), ("scale_factor", 1e-6)):
            expected = self.arrays[f"{name}/{field}"]
            actual = getattr(sample, field)
            assert actual.dtype == expected.dtype, (name, field)
            np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance, err_msg=f"{name}/{field}")


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    return Golden(shared / "golden" / "transforms")


@pytest.fixture(scope="module")
def decoded(shared: Path, golden: Golden) -> Sample:
    dataset = COCODataSet(str(shared / "data/coco_tiny"), "val2017", "annotations/instances_val2017.json").load()
    record = next(r for r in dataset.records if r.im_file.endswith(golden.facts["im_file"]))
    return Decode()(Sample.from_record(record), RNG)


def test_decode_equals_golden(golden: Golden, decoded: Sample) -> None:
    golden.check("Decode", decoded)
    assert int(Path(decoded.im_file).stem) == golden.arrays["Decode/im_id"][0]


@pytest.mark.parametrize("size", [320, 416, 640])
@pytest.mark.parametrize("interp", range(5))
def test_resize_equals_golden(golden: Golden, decoded: Sample, size: int, interp: int) -> None:
    golden.check(f"Resize{size}_interp{interp}", Resize([size, size], False, interp)(decoded, RNG))


def test_resize_keeping_the_ratio_equals_golden(golden: Golden, decoded: Sample) -> None:
    golden.check("Resize320_keep", Resize([320, 320], keep_ratio=True, interp=2)(decoded, RNG))


def test_normalize_and_permute_equal_golden(golden: Golden, decoded: Sample) -> None:
    resized = Resize([320, 320], False, 2)(decoded, RNG)
    normalized = NormalizeImage(is_scale=True)(resized, RNG)
    golden.check("NormalizeImage", normalized, gray=1 / (255 * 0.224) + 1e-5)
    golden.check("Permute", Permute()(normalized, RNG), gray=1 / (255 * 0.224) + 1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_flip_equals_golden(golden: Golden, decoded: Sample, seed: int) -> None:
    golden.check(f"RandomFlip_p1_{seed}", RandomFlip(1.0)(decoded, legacy_rng(seed)))
    golden.check(f"RandomFlip_p05_{seed}", RandomFlip(0.5)(decoded, legacy_rng(seed)))


@pytest.mark.parametrize("seed", range(3))
def test_crop_equals_golden(golden: Golden, decoded: Sample, seed: int) -> None:
    golden.check(f"RandomCrop_{seed}", RandomCrop()(decoded, legacy_rng(seed)))


@pytest.mark.parametrize("seed", range(3))
def test_distort_equals_golden(golden: Golden, decoded: Sample, seed: int) -> None:
    golden.check(f"RandomDistort_{seed}", RandomDistort()(decoded, legacy_rng(seed)), gray=1.01)


@pytest.mark.parametrize("seed", range(3))
def test_batch_resize_equals_golden(golden: Golden, decoded: Sample, seed: int) -> None:
    resize = BatchRandomResize([256, 288, 320, 352, 384], random_size=True, random_interp=True)
    (resized,) = resize([decoded], legacy_rng(seed))
    golden.check(f"BatchRandomResize_rand_{seed}", resized)


def test_batch_resize_to_a_fixed_size_equals_golden(golden: Golden, decoded: Sample) -> None:
    (resized,) = BatchRandomResize(320, random_size=False)([decoded], RNG)
    golden.check("BatchRandomResize_fixed320", resized)


def test_pad_batch_equals_golden(golden: Golden, decoded: Sample) -> None:
    """Golden PadBatch: an image of 300 x 310 padded to a stride of 32; im_shape stays the size without padding."""
    transforms = [Resize([300, 310], False, 2), NormalizeImage(), Permute(), PadBatch(32)]
    (padded,) = apply_batch_transforms([decoded], transforms, RNG)
    golden.check("PadBatch", padded, gray=1 / (255 * 0.224) + 1e-5)


def test_a_batch_has_the_golden_padding(golden: Golden, decoded: Sample) -> None:
    second = Decode()(decoded, RNG)
    second.gt_bbox, second.gt_class = decoded.gt_bbox[:2], decoded.gt_class[:2]
    arrays = collate(apply_batch_transforms([decoded, second], [Permute()], RNG))
    for number in (0, 1):
        for field in ("gt_bbox", "gt_class", "pad_gt_mask"):
            expected = golden.arrays[f"PadGT{number}/{field}"]
            np.testing.assert_array_equal(arrays[field][number], expected)
            assert arrays[field].dtype == expected.dtype


@pytest.fixture(scope="module")
def two_records(shared: Path, golden: Golden) -> list[Record]:
    dataset = COCODataSet(str(shared / "data/coco_tiny"), "val2017", "annotations/instances_val2017.json").load()
    records = {dataset.image_ids[record.im_id]: record for record in dataset.records}
    return [records[int(golden.arrays[f"train_pipeline{number}/im_id"][0])] for number in (0, 1)]


def trained_on(records: list[Record], resize: BatchTransform, rng: Any, exact: bool) -> list[Sample]:
    """The records through all published training transforms."""
    samples = []
    for record in records:
        sample = Sample.from_record(record)
        for transform in (Decode(), RandomCrop(), RandomFlip(), RandomDistort()):
            sample = transform(sample, rng)
            sample = apply_pending(sample) if exact else sample
        samples.append(sample)
    return apply_batch_transforms(samples, [resize, NormalizeImage(), Permute(), PadGT()], rng, exact)


@pytest.mark.parametrize("exact", [False, True])
def test_the_whole_training_pipeline_equals_golden(golden: Golden, two_records: list[Record], exact: bool) -> None:
    """Two images through all published training transforms, with upstream's draws from seed 7."""
    resize = BatchRandomResize([256, 288, 320, 352, 384], random_interp=True)
    for number, sample in enumerate(trained_on(two_records, resize, legacy_rng(7), exact)):
        golden.check(f"train_pipeline{number}", sample, gray=1 / (255 * 0.224) + 1e-5)
        np.testing.assert_array_equal(sample.pad_gt_mask, golden.arrays[f"train_pipeline{number}/pad_gt_mask"])


@pytest.mark.parametrize(
    ("interp", "most", "mean"), [(0, 1e-3, 1e-4), (1, 6, 0.6), (2, 1e-3, 1e-4), (3, 6, 0.6), (4, 1e-3, 1e-4)]
)
@pytest.mark.parametrize("size", [256, 704])
def test_colors_at_the_end_or_in_the_published_order(
    two_records: list[Record], size: int, interp: int, most: float, mean: float
) -> None:
    """In gray levels: nothing but rounding to uint8 in linear and area interpolation, times the gain of the colors."""
    resize = BatchRandomResize(size, interp=interp, random_size=False)
    grays = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None] * 255
    for seed in range(6):
        fused, exact = (
            dict(collate(trained_on(two_records, resize, np.random.default_rng(seed), exact)))
            for exact in (False, True)
        )
        difference = np.abs(fused.pop("image") - exact.pop("image")) * grays
        assert difference.max() < most
        assert difference.mean() < mean
        for name, array in fused.items():
            np.testing.assert_array_equal(array, exact[name])
