"""The reader with its augmentations, from files to batches: boxes are where their pixels are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.data.datasets import Category, Dataset
from ppdet.data.datasets.box_filter import make_record
from ppdet.data.loading.reader import TrainReader
from ppdet.data.transforms.affine import RandomAffine
from ppdet.data.transforms.batch_mosaic import BatchMosaic
from ppdet.data.transforms.batch_transforms import BatchRandomResize
from ppdet.data.transforms.mosaic import Mosaic
from ppdet.data.transforms.random_crop import RandomCrop
from ppdet.data.transforms.sample_transforms import Decode, RandomFlip
from tests.support.painted import painted_sample, worst_off
from tests.support.samples import noise_sample

LISTS: dict[str, tuple[list[Any], list[Any]]] = {
    "batch mosaic": (
        [Decode(), RandomCrop(scaling=(0.7, 1.0)), RandomFlip()],
        [BatchRandomResize([128, 160], interp=1), BatchMosaic(scale=(0.7, 1.3), min_side=10)],
    ),
    "affine": ([Decode(), RandomAffine(min_side=40), RandomFlip()], [BatchRandomResize([128, 160], interp=2)]),
    "mosaic": (
        [Decode(), Mosaic(input_dim=160, enable_mixup=False, scale=(0.8, 1.2), degrees=(0, 0), shear=(0, 0))],
        [BatchRandomResize([160], interp=1)],
    ),
}


class PaintedDataset(Dataset):
    """Four JPEGs of 480 x 640, with two boxes each."""

    def load(self) -> PaintedDataset:
        self.categories = [Category(number, str(number)) for number in range(8)]
        for number in range(4):
            sample = painted_sample(2 * number, np.random.default_rng(number), (480, 640))
            path = self.root / f"{number}.jpg"
            full_color = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
            assert cv2.imwrite(str(path), sample.image[..., ::-1], full_color)
            boxes = zip(sample.gt_class[:, 0].tolist(), sample.gt_bbox.tolist(), strict=True)
            self.records.append(make_record(path, number, (480, 640), [(kind, box, 0) for kind, box in boxes]))
        return self


@pytest.mark.parametrize("options", [{}, {"cache": "ram"}, {"reduced_decode": False}, {"exact": True}], ids=str)
@pytest.mark.parametrize("kind", LISTS)
def test_boxes_are_where_their_pixels_are(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    samples, batch = LISTS[kind]
    more = {"mosaic_epoch": 0} if kind == "mosaic" else {}
    reader = TrainReader(samples, batch, batch_size=4, worker_num=0, **options, **more)
    loader, checked = reader.bind(PaintedDataset(str(tmp_path)).load()), 0
    for epoch in range(3):
        for found in loader.epoch(epoch):
            for index, image in enumerate(found.image.numpy().transpose(0, 2, 3, 1)):
                real = found.pad_gt_mask.numpy()[index, :, 0] > 0
                boxes, classes = found.gt_bbox.numpy()[index, real], found.gt_class.numpy()[index, real]
                if len(set(classes[:, 0].tolist())) < len(classes):
                    continue  # an image that is there twice
                sample = replace(
                    noise_sample(np.random.default_rng(0), image.shape[:2]), gt_bbox=boxes, gt_class=classes
                )
                large = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) > 8
                sample = sample.with_boxes(boxes[large], np.flatnonzero(large))
                whole, cut = worst_off(sample, image)
                assert whole <= 1.5  # a pixel, and JPEG's blur
                assert cut <= 4.5
                checked += large.sum()
    assert checked > 10
