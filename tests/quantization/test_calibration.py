"""Images as a model's inputs: for calibration and for scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.data.structures import Batch
from ppdet.data.transforms.sample_transforms import NormalizeImage
from ppdet.deploy.backends.base import Feed
from ppdet.export.image_input import ImageInput
from ppdet.quantization.calibration import (
    FeedBuilder,
    calibration_feeds,
    calibration_set,
    require_variety,
    warn_of_strange_images,
)
from ppdet.quantization.network import Network
from ppdet.session import Session
from tests.support.small_onnx import images as small_images
from tests.support.small_onnx import small_model
from tests.support.tiny import make_run, write_config, write_dataset

NAMES = ("image", "scale_factor")


def builder(batch_size: int = 1, normalize: NormalizeImage | None = None, dtype: str = "float32") -> FeedBuilder:
    return FeedBuilder(batch_size, NAMES, ImageInput((64, 64), normalize, dtype))


def calibration(session: Session, count: int) -> list[Feed]:
    return calibration_feeds(session, calibration_set(session, count), builder())


@pytest.fixture
def config(tmp_path):
    write_dataset(tmp_path)
    return write_config(tmp_path)


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


def test_calibration_draws_by_seed_and_does_not_augment(config):
    def drawn(*overrides: str) -> list[np.ndarray]:
        return [feed["image"] for feed in calibration(make_run(config, *overrides), 3)]

    same, again, other = drawn(), drawn(), drawn("seed=8")
    np.testing.assert_array_equal(same, again)
    assert not np.array_equal(same, other)
    everything = [feed["image"] for feed in calibration(make_run(config), 100)]
    assert len(everything) == 5  # the sixth image has no box
    assert all(any(np.array_equal(image, each) for each in everything) for image in same)


def test_a_training_set_that_cannot_be_read(config, tmp_path):
    (tmp_path / "boxes.json").unlink()
    with pytest.raises(
        UserError, match=r"^TrainDataset: gives no images to calibrate with \(.*boxes\.json: there is no"
    ):
        calibration(make_run(config), 3)


def test_no_training_set(config):
    run = replace(make_run(config), cfg={})
    with pytest.raises(UserError, match=r"^TrainDataset: required, not given"):
        calibration(run, 3)


def test_an_image_that_cannot_be_read(config, tmp_path):
    for file in (tmp_path / "images").iterdir():
        file.write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"^TrainDataset: gives no images to calibrate with \(.*\.png"):
        calibration(make_run(config), 3)


BLACK, NOISE = np.zeros((1, 3, 4, 4), np.float32), np.random.default_rng(0).random((2, 1, 3, 4, 4), np.float32)


@pytest.mark.parametrize(
    ("pictures", "found"),
    [([BLACK, BLACK + 1], "2 images of a single color each"), ([NOISE[0]] * 3, "the same image 3 times")],
)
def test_images_that_show_no_ranges(pictures, found):
    with pytest.raises(UserError, match=rf"^TrainDataset: found {found}; expected pictures as the model will see"):
        require_variety([{"image": picture} for picture in pictures])


def test_some_images_of_one_color_are_named(caplog):
    require_variety([{"image": picture} for picture in (BLACK, *NOISE)])
    assert "1 of 3 calibration images have a single color" in caplog.text


@pytest.mark.parametrize(("shift", "warned"), [(0.0, False), (-20.0, True)])
def test_images_on_which_the_float_model_finds_nothing(shift, warned, caplog):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model = small_model()
    last = model.graph.node[-1]  # the sigmoid of the scores
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(shift), "shift"))
    model.graph.node.insert(len(model.graph.node) - 1, onnx.helper.make_node("Add", [last.input[0], "shift"], ["low"]))
    model.graph.node[-1].input[0] = "low"
    warn_of_strange_images(Network.of(model), small_images(4), threads=1)
    expected = "TrainDataset: the float model finds something (a score of 0.3 or more) on 0 of 4 calibration images"
    assert (expected in caplog.text) == warned
    assert bool(caplog.records) == warned
