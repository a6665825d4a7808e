"""Images to calibrate a model with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.deploy.backends.base import Feed
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.image_input import ImageInput
from ppdet.quantization.calibration import (
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

BUILDER = FeedBuilder(1, ("image", "scale_factor"), ImageInput((64, 64), None, "float32"))


def calibration(session: Session, count: int) -> list[Feed]:
    return calibration_feeds(session, calibration_set(session, count), BUILDER)


@pytest.fixture
def config(tmp_path):
    write_dataset(tmp_path)
    return write_config(tmp_path)


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


@pytest.mark.parametrize("levels", [False, True])
@pytest.mark.parametrize(("shift", "warned"), [(0.0, False), (-20.0, True)])
def test_images_on_which_the_float_model_finds_nothing(shift, warned, levels, caplog):
    """With `levels`, the model ends with the scores of a level and with what stands for its distributions."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model = small_model()
    last = model.graph.node[-1]  # the sigmoid of the scores
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(shift), "shift"))
    model.graph.node.insert(len(model.graph.node) - 1, onnx.helper.make_node("Add", [last.input[0], "shift"], ["low"]))
    model.graph.node[-1].input[0] = "low"
    if levels:
        model.graph.node[-1].output[0] = "level"
        model.graph.output[1].name = "level"
        model.graph.output.reverse()
    warn_of_strange_images(Network.of(model), small_images(4), threads=1)
    expected = "TrainDataset: the float model finds something (a score of 0.3 or more) on 0 of 4 calibration images"
    assert (expected in caplog.text) == warned
    assert bool(caplog.records) == warned
