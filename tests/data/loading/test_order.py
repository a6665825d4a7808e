"""Transforms that would ruin images without a word, or fail in a worker, are refused where the reader is made."""

from __future__ import annotations

from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.data.loading.reader import TrainReader
from ppdet.data.transforms.affine import RandomAffine
from ppdet.data.transforms.batch_mosaic import BatchMosaic
from ppdet.data.transforms.batch_transforms import BatchRandomResize
from ppdet.data.transforms.copy_paste import CopyPaste
from ppdet.data.transforms.mosaic import Mosaic
from ppdet.data.transforms.pixels import AugmentHSV
from ppdet.data.transforms.sample_transforms import Decode, NormalizeImage

RESIZE = BatchRandomResize(64, random_size=False)
IN_SAMPLES = {"Mosaic": Mosaic(), "CopyPaste": CopyPaste(), "RandomAffine": RandomAffine(), "AugmentHSV": AugmentHSV()}


@pytest.mark.parametrize("kind", IN_SAMPLES)
def test_what_needs_gray_levels_comes_before_normalization(kind: str) -> None:
    options: dict[str, Any] = {"mosaic_epoch": 0} if kind == "Mosaic" else {}
    TrainReader([Decode(), IN_SAMPLES[kind], NormalizeImage()], [RESIZE], **options)
    with pytest.raises(
        UserError, match=rf"TrainReader\.sample_transforms\.2: found {kind} after NormalizeImage; expected"
    ):
        TrainReader([Decode(), NormalizeImage(), IN_SAMPLES[kind]], [RESIZE], **options)


def test_a_batch_is_mixed_before_normalization() -> None:
    TrainReader([Decode()], [RESIZE, BatchMosaic(), NormalizeImage()])
    for sample_transforms, batch_transforms, index in (
        ([Decode()], [RESIZE, NormalizeImage(), BatchMosaic()], 2),
        ([Decode(), NormalizeImage()], [RESIZE, BatchMosaic()], 1),
    ):
        with pytest.raises(UserError, match=rf"batch_transforms\.{index}: found BatchMosaic after NormalizeImage;"):
            TrainReader(sample_transforms, batch_transforms)


def test_what_takes_images_of_the_data_set_is_no_batch_transform() -> None:
    with pytest.raises(UserError, match=r"batch_transforms\.1: found CopyPaste, which takes .*; expected it in TrainR"):
        TrainReader([Decode()], [RESIZE, CopyPaste()])
