"""A small dataset of generated images, and a reader for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.data.datasets import Dataset
from ppdet.data.datasets.base import Category
from ppdet.data.datasets.box_filter import make_record
from ppdet.data.loading.reader import EvalReader, Reader, TrainReader
from ppdet.data.transforms.batch_transforms import BatchRandomResize, PadGT
from ppdet.data.transforms.sample_transforms import (
    Decode,
    NormalizeImage,
    Permute,
    RandomCrop,
    RandomDistort,
    RandomFlip,
    Resize,
)


class SmallDataset(Dataset):
    """`count` images of 48 x 64 with 0, 1 or 2 boxes."""

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(str(folder))
        self.count = count

    def load(self) -> SmallDataset:
        rng = np.random.default_rng(0)
        self.categories = [Category(0, "thing")]
        for number in range(self.count):
            path = self.root / f"{number}.jpg"
            cv2.imwrite(str(path), rng.integers(0, 255, (48, 64, 3), np.uint8))
            boxes = [[4, 4, 40, 30], [10, 10, 60, 44]][: number % 3]
            self.records.append(make_record(path, number, (48, 64), [(0, box, 0) for box in boxes]))
        return self


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
