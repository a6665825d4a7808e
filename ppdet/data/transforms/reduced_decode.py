"""Decoding of large JPEGs at a reduced scale, if the window that is cropped is still large enough then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppdet.data.ops import functional as F
from ppdet.data.ops.decode import read_image, reduced_size
from ppdet.data.structures import Sample
from ppdet.data.transforms.random_crop import RandomCrop, Window
from ppdet.data.transforms.sample_transforms import Decode, Transform, with_image


@dataclass(frozen=True)
class ReducedDecodeCrop(Transform):
    """Takes the place of Decode and RandomCrop: chooses the window first, then decodes a JPEG no larger than needed.

    Boxes, sizes and random draws are those of the whole image. The window's edges are rounded to pixels of the reduced
    image, which is at most half a pixel of the result.

    Attributes:
        crop: the RandomCrop, which chooses the window from the annotated size.
        largest: (height, width) that images are resized to at most; the reduced window is never smaller than that.
    """

    crop: RandomCrop
    largest: F.Size

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        size = sample.annotated_size
        if size is None:
            return self.crop(Decode()(sample, rng), rng)
        state = rng.bit_generator.state
        window = self.crop.choose_window(size, sample.gt_bbox, rng)
        reduction = self._reduction(window or (0, 0, size[1], size[0]))
        image = read_image(sample.im_file, size, reduction)
        if image.shape[:2] in (size, reduced_size(size, reduction)):
            return self.crop.cut(with_image(sample, image, size), window)
        rng.bit_generator.state = state  # draw again: the image does not have the annotated size
        return self.crop(Decode()(sample, rng), rng)

    def _reduction(self, window: Window) -> int:
        x1, y1, x2, y2 = window
        room = min((y2 - y1) // self.largest[0], (x2 - x1) // self.largest[1])
        return next(number for number in (8, 4, 2, 1) if number <= max(room, 1))
