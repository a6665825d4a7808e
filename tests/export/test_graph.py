"""What an exported graph gives, from the parts of the trained model."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.settings import ExportSettings
from ppdet.export.graph import ExportModel, fuse_conv_norm, rounded
from ppdet.modeling import PicoDet
from ppdet.modeling.layers import ConvNormAct
from tests.support.tiny import make_run
from tests.support.trained import random_inputs, write_trained_config

POINTS = (64, 16, 4, 1)  # of each level at 64 x 64


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> PicoDet:
    return make_run(write_trained_config(tmp_path_factory.mktemp("graph"))).load_model()


def outputs(model: PicoDet, *inputs: paddle.Tensor, **settings) -> list[np.ndarray]:
    with paddle.no_grad():
        return [output.numpy() for output in ExportModel(model, ExportSettings(**settings))(*inputs)]


@pytest.mark.parametrize(
    ("settings", "names", "takes_scale_factor"),
    [
        ({}, ["bbox", "bbox_num"], True),
        ({"nms": False, "boxes": "input"}, ["boxes", "scores"], False),
        ({"benchmark": True}, [f"{kind}_{i}" for kind in ("scores", "distances") for i in range(4)], False),
    ],
)
def test_interface(model, settings, names, takes_scale_factor) -> None:
    graph = ExportModel(model, ExportSettings(**settings))
    assert graph.output_names == names
    assert graph.takes_scale_factor == takes_scale_factor


def test_units_of_boxes(model) -> None:
    """scale_factor is 0.5 in both directions; the input has 64 x 96 pixels."""
    image, scale_factor = random_inputs(2, 64, 96)
    in_pixels, scores = outputs(model, image, nms=False, boxes="input")
    assert in_pixels.shape[::2] == (2, 4)
    original, same = outputs(model, image, scale_factor, nms=False)
    np.testing.assert_array_equal(same, scores)
    np.testing.assert_allclose(original, in_pixels * 2, rtol=1e-6)
    relative, _ = outputs(model, image, nms=False, boxes="normalized")
    np.testing.assert_allclose(relative * [96, 64, 96, 64], in_pixels, rtol=1e-5, atol=1e-5)


def test_layouts_of_the_network_alone(model) -> None:
    image, _ = random_inputs(2)
    flat, maps = outputs(model, image, post_process=False), outputs(model, image, post_process=False, layout="4d")
    assert [x.shape for x in flat] == [(2, n, 3) for n in POINTS] + [(2, n, 32) for n in POINTS]
    assert [x.shape[2:] for x in maps] == [(8, 8), (4, 4), (2, 2), (1, 1)] * 2
    for points, level in zip(flat, maps, strict=True):
        np.testing.assert_array_equal(points, level.reshape(*level.shape[:2], -1).transpose(0, 2, 1))


def test_fused_norms_give_the_same(model) -> None:
    image, _ = random_inputs(2)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    fused = fuse_conv_norm(model)
    layers = [layer for layer in fused.sublayers() if isinstance(layer, ConvNormAct)]
    assert layers
    assert all(isinstance(layer.norm, paddle.nn.Identity) for layer in layers)
    for expected, found in zip(
        outputs(model, image, nms=False, boxes="input"), outputs(fused, image, nms=False, boxes="input"), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())


def test_rounding_changes_every_weight_a_little(model) -> None:
    graph = ExportModel(model, ExportSettings())
    changed = rounded(graph, 2**-10).model
    for old, new in zip(model.parameters(), changed.parameters(), strict=True):
        old, new = old.numpy().astype("float64"), new.numpy().astype("float64")
        np.testing.assert_allclose(np.abs(new - old), np.abs(old) * 2**-10, rtol=1e-3)


def test_pixels_minus_their_mean(model) -> None:
    mean = np.full((1, 3, 1, 1), 8, "float32")
    settings = ExportSettings(post_process=False)
    pixels = paddle.randint(0, 256, [1, 3, 64, 64]).astype("uint8")
    with paddle.no_grad():
        found = ExportModel(model, settings, mean)(pixels)
        expected = ExportModel(model, settings)(pixels.astype("float32") - 8)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
