"""Images as a model's inputs."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.data.structures import Batch
from ppdet.data.transforms.sample_transforms import NormalizeImage
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.image_input import ImageInput

NAMES = ("image", "scale_factor")


def builder(batch_size: int = 1, normalize: NormalizeImage | None = None, dtype: str = "float32") -> FeedBuilder:
    return FeedBuilder(batch_size, NAMES, ImageInput((64, 64), normalize, dtype))


def batch(image: np.ndarray) -> Batch:
    count = len(image)
    empty = paddle.zeros([count, 1, 4])
    factors = paddle.arange(1, count + 1, dtype="float32").unsqueeze(1).tile([1, 2])
    return Batch(paddle.to_tensor(image), empty, factors, paddle.arange(count), empty, empty, empty)


def test_a_fixed_batch_size_is_filled_up():
    image = np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1) + np.zeros((3, 3, 64, 64), np.float32)
    (first, first_ids, _), (last, last_ids, last_factors) = builder(batch_size=2).feeds([batch(image)])
    assert first["image"][:, 0, 0, 0].tolist() == [0, 1]
    assert last["image"][:, 0, 0, 0].tolist() == [2, 2]
    assert last["scale_factor"].shape == (2, 2)
    assert (first_ids, last_ids) == ([0, 1], [2])
    assert last_factors.tolist() == [[3, 3]]


def test_a_model_that_normalises_gets_pixels():
    normalize = NormalizeImage(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64))
    image = ((pixels / 255 - 0.5) / 0.25).astype(np.float32)
    ((feed, _, _),) = builder(normalize=normalize, dtype="uint8").feeds([batch(image)])
    assert feed["image"].dtype == np.uint8
    np.testing.assert_array_equal(feed["image"], pixels)


def test_images_of_another_size_are_an_error():
    with pytest.raises(UserError, match=r"^EvalReader: gives images of 32 x 32 pixels, .* takes 64 x 64; set"):
        next(builder().feeds([batch(np.zeros((1, 3, 32, 32), np.float32))]))
