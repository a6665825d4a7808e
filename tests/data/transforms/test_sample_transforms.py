"""The published transforms, compared with golden/transforms (release 2.6, OpenCV 4.5.5).

The golden random transforms drew from NumPy's global generator with the seed that ends their name. `LegacyRng` offers
that generator under the Generator's names, so a transform that draws in upstream's order must give upstream's result.
Images may be one gray level off (OpenCV versions round differently); boxes agree to 1e-3 pixels.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.data import ops
from ppdet.data.datasets import COCODataSet
from ppdet.data.datasets.box_filter import make_record
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


@pytest.mark.parametrize(("interp", "most", "mean"), [(0, 1e-3, 1e-4), (1, 6, 0.6), (2, 1e-3, 1e-4), (3, 6, 0.6),
                                                     (4, 1e-3, 1e-4)])  # fmt: skip
@pytest.mark.parametrize("size", [256, 704])
def test_colours_at_the_end_or_in_the_published_order(
    two_records: list[Record], size: int, interp: int, most: float, mean: float
) -> None:
    """In gray levels: nothing but rounding to uint8 in linear and area interpolation, times the gain of the colors."""
    resize = BatchRandomResize(size, interp=interp, random_size=False)
    grays = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None] * 255
    for seed in range(6):
        fused, exact = (
            collate(trained_on(two_records, resize, np.random.default_rng(seed), exact)) for exact in (False, True)
        )
        difference = np.abs(fused.pop("image") - exact.pop("image")) * grays
        assert difference.max() < most
        assert difference.mean() < mean
        for name, array in fused.items():
            np.testing.assert_array_equal(array, exact[name])


def test_transforms_leave_their_input_as_it_was(decoded: Sample) -> None:
    image, boxes = decoded.image.copy(), decoded.gt_bbox.copy()
    for transform in (RandomCrop(allow_no_crop=False), RandomFlip(1.0), RandomDistort(), Resize(320), NormalizeImage()):
        for seed in range(5):
            transform(decoded, np.random.default_rng(seed))
    np.testing.assert_array_equal(decoded.image, image)
    np.testing.assert_array_equal(decoded.gt_bbox, boxes)


@pytest.mark.parametrize("exact", [False, True])
def test_no_transform_makes_float64(decoded: Sample, exact: bool) -> None:
    sample = decoded
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


@pytest.mark.parametrize("options", [{}, {"cover_all_box": True}, {"allow_no_crop": False}])
def test_every_crop_keeps_boxes_inside_the_image(decoded: Sample, options: dict) -> None:
    for seed in range(30):
        cropped = RandomCrop(**options)(decoded, np.random.default_rng(seed))
        height, width = cropped.image.shape[:2]
        assert 0 < len(cropped.gt_bbox) == len(cropped.gt_class)
        assert (cropped.gt_bbox >= 0).all()
        assert (cropped.gt_bbox <= [width, height, width, height]).all()
        assert (cropped.gt_bbox[:, 2:] > cropped.gt_bbox[:, :2]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2)])
def test_crop_of_an_image_of_a_few_pixels(decoded: Sample, size: tuple[int, int]) -> None:
    tiny = Resize(size)(decoded, RNG)
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


def test_crop_without_boxes_changes_nothing(decoded: Sample) -> None:
    empty = Decode()(decoded, RNG)
    empty.gt_bbox, empty.gt_class = np.zeros((0, 4), np.float32), np.zeros((0, 1), np.int32)
    assert RandomCrop()(empty, RNG) is empty


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
