"""A small dataset of generated images, and a reader for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ppdet.data.loading.reader import EvalReader, Reader, TrainReader
from ppdet.data.transforms.batch_transforms import BatchRandomResize, PadGT
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import (
    Decode,
    NormalizeImage,
    Permute,
    RandomDistort,
    RandomFlip,
    Resize,
)
from tests.support.datasets import SmallDataset


@pytest.fixture
def small(tmp_path: Path) -> SmallDataset:
    return SmallDataset(tmp_path, 14).load()


ReaderFactory = Callable[..., Reader]


@pytest.fixture
def train_reader() -> ReaderFactory:
    """A TrainReader with the published transforms at small sizes; keyword arguments change its options."""
    sample_transforms = [Decode(), RandomCrop(), RandomFlip(), RandomDistort()]
    batch_transforms = [BatchRandomResize([32, 64], random_interp=True), NormalizeImage(), Permute(), PadGT()]
    return partial(TrainReader, sample_transforms, batch_transforms, batch_size=4, worker_num=0)


@pytest.fixture
def eval_reader() -> ReaderFactory:
    """An EvalReader with the published transforms at a small size."""
    return partial(
        EvalReader, [Decode(), Resize(32, interp=2), NormalizeImage(), Permute()], batch_size=4, worker_num=0
    )
