"""One batch from its indices: values, unreadable images, other sizes, and errors that are results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.loading.batch_builder import BatchBuilder, tolerated_failures
from ppdet.data.loading.packing import PackedArrays
from ppdet.data.loading.sampler import SampleIndex
from ppdet.data.ops.decode import read_image
from ppdet.data.structures import Sample
from ppdet.data.transforms.mixing import MixingTransform, on_canvas
from ppdet.data.transforms.sample_transforms import Decode, RandomFlip


def builder(dataset: Dataset, *transforms: Any, skip_unreadable: bool = True, **options: Any) -> BatchBuilder:
    values = {"seed": 0, "rank": 0} | options
    return BatchBuilder(dataset.records, [Decode(), *transforms], [], skip_unreadable, **values)


def arrays_of(parts: dict[str, Any]) -> PackedArrays:
    return PackedArrays(parts["memory"], parts["layout"])


def indices(*numbers: int, epoch: int = 0) -> list[SampleIndex]:
    return [SampleIndex(epoch, 0, number) for number in numbers]


def test_images_and_boxes_of_the_indices(small: Dataset) -> None:
    progress = np.zeros(1, np.int64)
    batch = builder(small)(indices(5, 2), progress=progress)
    arrays = arrays_of(batch)
    assert arrays["im_id"].tolist() == [5, 2]
    for image, number in zip(arrays["image"], (5, 2), strict=True):
        np.testing.assert_array_equal(image, read_image(small.records[number].im_file).transpose(2, 0, 1))
    assert arrays["pad_gt_mask"][..., 0].tolist() == [[1, 1], [1, 1]]
    assert (batch["failures"], batch["other_sizes"], progress[0]) == ([], [], 2)


def test_random_numbers_depend_on_seed_epoch_rank_and_image_alone(small: Dataset) -> None:
    def flips(*numbers: int, epoch: int = 0, **options: Any) -> list[bool]:
        images = arrays_of(builder(small, RandomFlip(), **options)(indices(*numbers, epoch=epoch)))["image"]
        whole = arrays_of(builder(small)(indices(*numbers)))["image"]
        return [not np.array_equal(*pair) for pair in zip(images, whole, strict=True)]

    first = flips(*range(14))
    assert flips(*reversed(range(14))) == first[::-1]
    others = [flips(*range(14), seed=1), flips(*range(14), rank=1), flips(*range(14), epoch=1)]
    assert all(other != first for other in others)


def test_the_next_image_takes_the_place_of_an_unreadable_one(small: Dataset) -> None:
    for number in (4, 13):
        Path(small.records[number].im_file).write_bytes(b"nothing")
    batch = builder(small)(indices(4, 13))
    assert arrays_of(batch)["im_id"].tolist() == [5, 0]
    assert [index for index, _ in batch["failures"]] == [4, 13]
    assert batch["failures"][0][1].startswith(f"{small.records[4].im_file}: not an image")


def test_an_unreadable_image_is_an_error_if_it_may_not_be_skipped(small: Dataset) -> None:
    Path(small.records[4].im_file).write_bytes(b"nothing")
    error = builder(small, skip_unreadable=False)(indices(3, 4))["error"]
    assert isinstance(error, UserError)
    assert str(error).startswith(f"{small.records[4].im_file}: not an image")


def test_unreadable_images_in_a_row_are_an_error(small: Dataset) -> None:
    for number in (4, 5):
        Path(small.records[number].im_file).write_bytes(b"nothing")
    error = builder(small)(indices(4))["error"]
    assert str(error).startswith(f"{small.records[5].im_file}: not an image")
    assert str(error).endswith("(2 images in a row are unreadable)")


def test_other_errors_carry_their_trace(small: Dataset) -> None:
    error = builder(small, lambda sample, rng: sample.no_such_field)(indices(4))["error"]
    assert isinstance(error, RuntimeError)
    assert "AttributeError" in str(error)


class SideBySide(MixingTransform):
    """Puts `count` partners beside the image."""

    def __init__(self, count: int) -> None:
        self.count = count

    def partners(self, rng: np.random.Generator) -> int:
        return self.count

    def mix(self, samples: Sequence[Sample], rng: np.random.Generator) -> Sample:
        images = [sample.image for sample in samples]
        return on_canvas(samples[0], np.hstack(images), samples, [sample.gt_bbox for sample in samples])


def panels(dataset: Dataset, *numbers: int, count: int = 3, **options: Any) -> np.ndarray:
    """[B, count + 1] int64: which images of the dataset lie side by side."""
    images = arrays_of(builder(dataset, SideBySide(count), **options)(indices(*numbers)))["image"]
    known = {read_image(record.im_file).tobytes(): number for number, record in enumerate(dataset.records)}
    rows = [np.split(image.transpose(1, 2, 0).astype(np.uint8), count + 1, axis=1) for image in images]
    return np.array([[known[panel.tobytes()] for panel in row] for row in rows])


def test_partners_are_drawn_from_all_images_by_seed_epoch_rank_and_image(small: Dataset) -> None:
    found = panels(small, *range(14))
    assert found[:, 0].tolist() == list(range(14))
    assert len(set(found[:, 1:].ravel().tolist())) > 10
    np.testing.assert_array_equal(panels(small, *reversed(range(14)))[::-1], found)
    for options in ({"seed": 1}, {"rank": 1}):
        assert (panels(small, *range(14), **options)[:, 1:] != found[:, 1:]).any()


def test_partners_go_through_the_transforms_before(small: Dataset) -> None:
    """Mirrored with probability 1, but not mixed themselves."""
    images = arrays_of(builder(small, RandomFlip(1.0), SideBySide(1), SideBySide(2))(indices(3)))["image"]
    mirrored = {read_image(record.im_file)[:, ::-1].tobytes() for record in small.records}
    assert images.shape == (1, 3, 48, 4 * 64)
    panels = np.split(images[0].transpose(1, 2, 0).astype(np.uint8), 4, axis=1)
    assert {panel.tobytes() for panel in panels} <= mirrored


def test_samples_know_how_many_images_were_read_before(small: Dataset) -> None:
    seen: list[int] = []

    def note(sample: Sample, rng: np.random.Generator) -> Sample:
        seen.append(sample.images_before)
        return sample

    for epoch in (0, 3):
        builder(small, note, SideBySide(2))(indices(1, epoch=epoch))
    assert seen == [0] * 3 + [42] * 3


def test_another_image_takes_the_place_of_an_unreadable_partner(small: Dataset) -> None:
    before = panels(small, *range(4))
    lost = int(before[1, 2])
    Path(small.records[lost].im_file).write_bytes(b"nothing")
    parts = builder(small, SideBySide(3))(indices(1))
    assert [index for index, _ in parts["failures"]] == [lost] * int((before[1] == lost).sum())
    assert parts["failures"][0][1].startswith(f"{small.records[lost].im_file}: not an image")
    assert arrays_of(parts)["im_id"].tolist() == [1]
    error = builder(small, SideBySide(3), skip_unreadable=False)(indices(1))["error"]
    assert str(error).startswith(f"{small.records[lost].im_file}: not an image")


def test_too_many_unreadable_partners_in_a_row_are_an_error(small: Dataset) -> None:
    for number in range(2, 14):
        Path(small.records[number].im_file).write_bytes(b"nothing")
    error = builder(small, SideBySide(8))(indices(1))["error"]
    assert str(error).endswith("(2 images in a row are unreadable)")


def test_an_image_of_another_size_than_annotated_is_reported(small: Dataset) -> None:
    small.records[3] = replace(small.records[3], size=(100, 200))
    small.records[4] = replace(small.records[4], size=None)
    (message,) = builder(small)(indices(2, 3, 4))["other_sizes"]
    assert message == f"{small.records[3].im_file}: 64 x 48 pixels, but 200 x 100 in the annotations"


@pytest.mark.parametrize(("length", "tolerated"), [(1, 1), (10, 1), (199, 1), (200, 2), (118287, 1182)])
def test_one_percent_of_the_images_may_be_unreadable(length: int, tolerated: int) -> None:
    assert tolerated_failures(length) == tolerated
