"""The network gets exactly what evaluation gives it."""

from __future__ import annotations

import copy
import dataclasses
import json

import cv2
import numpy as np
import pytest

from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.data.datasets import COCODataSet
from ppdet.deploy.images import read_image
from ppdet.deploy.model_config import parse_config
from ppdet.deploy.preprocess import Preprocessor, resize_factors
from tests.deploy.conftest import INFER_CFG
from tests.golden import CONFIGS

SIZES = [(48, 64), (480, 640), (1, 1), (3, 500), (333, 77), (900, 1200)]
PUBLISHED = copy.deepcopy(INFER_CFG)
PUBLISHED["Preprocess"][0]["target_size"] = [320, 320]


@pytest.fixture
def pictures(tmp_path):
    """Noise of several sizes as JPEG and PNG, and the dataset of them."""
    rng = np.random.default_rng(1)
    paths = [tmp_path / f"{i}{suffix}" for i in range(len(SIZES)) for suffix in (".jpg", ".png")]
    for path in paths:
        height, width = SIZES[int(path.stem)]
        cv2.imwrite(str(path), rng.integers(0, 256, (height, width, 3), np.uint8))
    images = [
        {"id": i, "file_name": path.name, "height": SIZES[int(path.stem)][0], "width": SIZES[int(path.stem)][1]}
        for i, path in enumerate(paths)
    ]
    content = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    return paths


def test_the_tensor_is_that_of_evaluation(pictures):
    """Bit for bit: both interpolate uint8 with the same OpenCV call, then multiply and add the same float32 numbers."""
    dataset = COCODataSet(str(pictures[0].parent), "", "boxes.json", allow_empty=True)
    dataset.load()
    overrides = ["worker_num=0", "EvalReader.batch_size=1"]
    cfg = load_config(CONFIGS / "picodet_xs_320_coco_lcnet.yml", overrides)
    loader = Builder(cfg).build("EvalReader").bind(dataset)
    prepare = Preprocessor(parse_config(PUBLISHED, "x"), (320, 320), np.dtype(np.float32))
    compared = 0
    for batch, path in zip(loader.epoch(0), pictures, strict=True):
        image, scale_factor, im_shape = prepare([(read_image(path), "bgr")])
        np.testing.assert_array_equal(image, batch.image.numpy())
        np.testing.assert_array_equal(scale_factor, batch.scale_factor.numpy())
        np.testing.assert_array_equal(im_shape, [[320, 320]])
        compared += 1
    assert compared == len(pictures)


def test_rgb_and_bgr():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
    prepare = Preprocessor(parse_config(PUBLISHED, "x"), None, np.dtype(np.float32))
    both = prepare([(image, "rgb"), (image[..., ::-1], "bgr")])[0]
    np.testing.assert_array_equal(both[0], both[1])
    assert np.abs(both[0, 0] - both[0, 2]).max() > 1


def test_pixels_for_a_model_that_normalises_itself():
    config = copy.deepcopy(PUBLISHED)
    del config["Preprocess"][1]
    prepare = Preprocessor(parse_config(config, "x"), (320, 320), np.dtype(np.uint8))
    image = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    pixels, _, _ = prepare([(image, "rgb")])
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[0], image.transpose(2, 0, 1))


def test_keep_ratio_and_padding():
    config = dataclasses.replace(parse_config(PUBLISHED, "x"), keep_ratio=True, pad_stride=32)
    prepare = Preprocessor(config, None, np.dtype(np.float32))
    image = np.full((100, 200, 3), 255, np.uint8)
    for _ in range(2):  # the buffer is used again
        out, scale_factor, im_shape = prepare([(image, "rgb")])
        assert out.shape == (1, 3, 160, 320)
        np.testing.assert_allclose(scale_factor, [[1.6, 1.6]])
        np.testing.assert_array_equal(im_shape, [[160, 320]])
    out, _, im_shape = prepare([(image[:70], "rgb")])
    assert out.shape == (1, 3, 128, 320)
    np.testing.assert_array_equal(im_shape, [[112, 320]])  # without the padding
    assert not out[:, :, 112:].any()
    assert (out[:, :, :112] > 2).all()


def test_an_upright_image_fits_into_a_wide_input():
    config = dataclasses.replace(parse_config(PUBLISHED, "x"), size=(32, 64), keep_ratio=True)
    image = np.full((64, 32, 3), 255, np.uint8)
    image[40:] = 0
    out, scale_factor, im_shape = Preprocessor(config, (32, 64), np.dtype(np.float32))([(image, "rgb")])
    np.testing.assert_array_equal(scale_factor, [[0.5, 0.5]])
    np.testing.assert_array_equal(im_shape, [[32, 16]])
    assert out[0, 0, 18, 0] > 2 > out[0, 0, 22, 0]  # the lower part is seen as well
    _, scale_factor, im_shape = Preprocessor(config, None, np.dtype(np.float32))([(image, "rgb")])
    np.testing.assert_array_equal(im_shape, [[64, 32]])


@pytest.mark.parametrize(
    ("size", "target", "keep_ratio", "factors"),
    [
        ((480, 640), (320, 320), False, (320 / 480, 0.5)),
        ((480, 640), (320, 320), True, (0.5, 0.5)),  # the long side decides
        ((480, 640), (320, 640), True, (320 / 480, 320 / 480)),  # the short side
        ((640, 480), (320, 640), True, (320 / 480, 320 / 480)),  # whatever the orientation
        ((2, 4000), (320, 320), True, (0.5, 0.08)),  # one pixel stays
    ],
)
def test_resize_factors(
    size: tuple[int, int], target: tuple[int, int], keep_ratio: bool, factors: tuple[float, float]
) -> None:
    assert resize_factors(size, target, keep_ratio) == pytest.approx(factors)
