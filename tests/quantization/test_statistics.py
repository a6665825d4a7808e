"""What the float model does on the calibration images."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.quantization.network import Network
from ppdet.quantization.statistics import collect
from tests.support.small_onnx import CONVS, images, small_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_all_convolutions_have_ranges_and_moments() -> None:
    found = collect(Network.of(small_model()), images(3), 1)
    assert found.moments.keys() == set(CONVS)
    assert {"image", "x", "mean"} <= found.ranges.keys()
    assert found.single_pixels == {"mean", "unused"}


@pytest.mark.parametrize(("value", "first"), [(np.nan, "Conv b0"), (np.inf, "Conv b0"), (1e30, "Conv b0")])
def test_the_first_layer_without_numbers_is_named(value, first) -> None:
    model = small_model()
    (tensor,) = (each for each in model.graph.initializer if each.name == "boxes_w")
    weight = np.array(onnx.numpy_helper.to_array(tensor))
    weight.flat[0] = value
    tensor.CopyFrom(onnx.numpy_helper.from_array(weight, "boxes_w"))
    with pytest.raises(UserError, match=rf"^weights: {first} gives NaN or values beyond 1e\+12 on a calibration image"):
        collect(Network.of(model), images(2), 1)


def test_images_without_numbers() -> None:
    feeds = images(2)
    feeds[1]["image"] = np.full_like(feeds[1]["image"], np.nan)
    with pytest.raises(UserError, match=r"^weights: the input image has NaN or values beyond"):
        collect(Network.of(small_model()), feeds, 1)
