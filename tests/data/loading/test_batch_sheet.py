"""Pictures of training batches: the pixels that the network sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.loading.batch_sheet import SHEETS, batch_sheets, draw_batch, network_view
from ppdet.data.loading.packing import PackedArrays, allocate
from ppdet.data.loading.reader import EvalReader, Reader
from ppdet.data.ops import color
from ppdet.data.transforms.batch_transforms import PadBatch
from ppdet.data.transforms.sample_transforms import Decode, NormalizeImage, Resize
from ppdet.deploy.draw import class_color

ReaderFactory = Callable[..., Reader]


def first_arrays(reader: Reader, dataset: Dataset) -> PackedArrays:
    """A copy of the first batch's arrays."""
    seen: list[PackedArrays] = []
    batches = reader.bind(dataset).epoch(0, watch=lambda _, arrays: seen.append(copied(arrays)))
    next(batches)
    batches.close()
    return seen[0]


def copied(arrays: PackedArrays) -> PackedArrays:
    return PackedArrays(arrays.memory.copy(), arrays.layout)


def one_image(rgb: np.ndarray, normalization: np.ndarray) -> PackedArrays:
    """A batch of one image [h, w, 3] uint8 with a box of class 1 in its middle, and one of padding."""
    height, width = rgb.shape[:2]
    arrays = allocate(
        {
            "image": ("float32", (1, 3, height, width)),
            "gt_bbox": ("float32", (1, 2, 4)),
            "gt_class": ("int32", (1, 2, 1)),
            "pad_gt_mask": ("float32", (1, 2, 1)),
        },
        None,
    )
    color.write_mapped(rgb, normalization, arrays["image"][0])
    arrays["gt_bbox"][0] = [[width / 4, height / 4, width * 3 / 4, height * 3 / 4], [0, 0, width, height]]
    arrays["gt_class"][0] = [[1], [0]]
    arrays["pad_gt_mask"][0] = [[1], [0]]
    return arrays


@pytest.mark.parametrize("device_normalize", [False, True])
def test_without_random_changes_the_pixels_are_those_of_the_file(small: Dataset, device_normalize: bool) -> None:
    reader = EvalReader([Decode(), NormalizeImage()], batch_size=2, worker_num=0, device_normalize=device_normalize)
    arrays = first_arrays(reader, small)
    assert ("color_map" in arrays) == device_normalize
    for index in range(2):
        expected = cv2.imread(small.records[int(arrays["im_id"][index])].im_file)
        np.testing.assert_array_equal(network_view(arrays, index, reader.normalization), expected)


def test_random_colors_are_shown(small: Dataset, train_reader: ReaderFactory) -> None:
    """Undoing the normalization leaves the random changes, however the colors are computed."""
    views = []
    for device_normalize in (False, True):
        reader = train_reader(device_normalize=device_normalize)
        arrays = first_arrays(reader, small)
        assert ("color_map" in arrays) == device_normalize
        views.append(network_view(arrays, 0, reader.normalization).astype(int))
    assert np.abs(views[0] - views[1]).max() <= 1


def test_padding_has_the_mean_color(small: Dataset) -> None:
    normalize = NormalizeImage(mean=(0.2, 0.4, 0.6), std=(0.5, 0.5, 0.5))
    reader = EvalReader([Decode(), normalize], [PadBatch(pad_to_stride=128)], batch_size=1, worker_num=0)
    view = network_view(first_arrays(reader, small), 0, reader.normalization)
    assert view.shape == (128, 128, 3)
    assert (view[:, 64:] == [153, 102, 51]).all()  # B, G, R


def test_a_reader_without_normalization(small: Dataset) -> None:
    reader = EvalReader([Decode(), Resize(32, interp=2)], batch_size=1, worker_num=0)
    np.testing.assert_array_equal(reader.normalization, color.affine(np.eye(3)))


def test_boxes_are_drawn_and_padding_is_not() -> None:
    """The image of 80 x 80 is shown at 320 x 320, so its box ends at 240."""
    normalization = color.normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.2), True)
    rgb = np.full((80, 80, 3), (200, 100, 50), np.uint8)
    page = draw_batch(one_image(rgb, normalization), normalization, ["a", "b"], ["x.jpg"])
    cell = page[6:326, 6:326]
    colors, counts = np.unique(cell.reshape(-1, 3), axis=0, return_counts=True)
    assert colors[counts.argmax()].tolist() == [50, 100, 200]
    np.testing.assert_array_equal(cell[200, 240], class_color(1))
    np.testing.assert_array_equal(cell[240, 200], class_color(1))
    assert not (cell == class_color(0)).all(2).any()


def test_the_first_batches_of_an_epoch_are_written(small: Dataset, train_reader: ReaderFactory, tmp_path: Path) -> None:
    """The dataset has 14 images: with batches of 3 there are 4, of which the first three are shown."""
    reader = train_reader(batch_size=3)
    assert len(list(reader.bind(small).epoch(0, watch=batch_sheets(tmp_path / "run", reader, small)))) == 4
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == list(SHEETS)
    for name in SHEETS:
        assert cv2.imread(str(tmp_path / "run" / name)).shape == (350, 3 * 326 + 6, 3)


def test_an_epoch_that_is_continued_keeps_the_numbers(
    small: Dataset, train_reader: ReaderFactory, tmp_path: Path
) -> None:
    """Step 2 gives the same picture as in the whole epoch."""
    reader = train_reader(batch_size=3)
    for name, start in (("whole", 0), ("rest", 2)):
        list(reader.bind(small, seed=5).epoch(0, start, batch_sheets(tmp_path / name, reader, small)))
    assert [file.name for file in (tmp_path / "rest").iterdir()] == ["train_batch2.jpg"]
    same = {(tmp_path / name / "train_batch2.jpg").read_bytes() for name in ("whole", "rest")}
    assert len(same) == 1


def test_a_folder_that_cannot_be_written(small: Dataset, train_reader: ReaderFactory, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    reader = train_reader()
    batches = reader.bind(small).epoch(0, watch=batch_sheets(tmp_path / "run", reader, small))
    with pytest.raises(UserError, match=r"train_batch0.jpg: cannot be written"):
        next(batches)
