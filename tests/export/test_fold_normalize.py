"""Graphs that take pixels give what normalised images give, along the border too."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.settings import ExportSettings
from ppdet.data.transforms.sample_transforms import NormalizeImage
from ppdet.export.fold_normalize import fold_normalize, normalized, to_pixels
from ppdet.export.graph import ExportModel
from tests.support.tiny import make_run, write_config

NORMALIZE = {
    "scaled": NormalizeImage(),
    "unscaled": NormalizeImage(mean=[103.5, 116.3, 123.7], std=[57, 57, 58], is_scale=False),
}


@pytest.fixture(params=NORMALIZE)
def normalize(request) -> NormalizeImage:
    return NORMALIZE[request.param]


def test_pixels_and_back(normalize) -> None:
    pixels = np.arange(256, dtype="uint8").reshape(1, 1, 16, 16).repeat(3, axis=1)
    np.testing.assert_array_equal(to_pixels(normalized(pixels, normalize), normalize), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_first_feature_map_is_equal_up_to_its_border(tmp_path, normalize, dtype) -> None:
    model = make_run(write_config(tmp_path)).build_model()
    model.eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64)).astype("uint8")
    folded, mean = fold_normalize(model, normalize)
    settings = ExportSettings(post_process=False, fuse_normalize=True)
    with paddle.no_grad():
        expected = model.backbone.conv1(paddle.to_tensor(normalized(pixels, normalize))).numpy()
        found = folded.backbone.conv1(paddle.to_tensor(pixels.astype("float32") - mean)).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
        whole = ExportModel(model, settings)(paddle.to_tensor(normalized(pixels, normalize)))
        for a, b in zip(
            whole, ExportModel(folded, settings, mean)(paddle.to_tensor(pixels.astype(dtype))), strict=True
        ):
            np.testing.assert_allclose(b.numpy(), a.numpy(), atol=1e-4)


def test_the_trained_model_stays_as_it_was(tmp_path, normalize) -> None:
    model = make_run(write_config(tmp_path)).build_model()
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    fold_normalize(model, normalize)
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())
