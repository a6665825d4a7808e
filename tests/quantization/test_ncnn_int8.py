"""Convolutions in INT8 in ncnn's files: every integer that ncnn computes is the one that NumPy does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.deploy.backends.small_runtimes import Ncnn
from ppdet.quantization import vendor_source
from ppdet.quantization.ncnn_int8 import int8_layers, labeled, write_ncnn_int8
from ppdet.quantization.network import Conv, Network
from ppdet.quantization.plan import ConvPlan, Plan, Quantizer
from ppdet.quantization.post_training import post_training_plan
from ppdet.quantization.statistics import collect
from ppdet.quantization.targets import TARGETS
from ppdet.quantization.vendor_source import Source
from ppdet.session import Session
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.ncnn_files import Layer, read_layers, write_layers

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

# What pnnx makes of `network`: ReLU and Clip are part of convolutions, and the one behind the mean is an InnerProduct.
PARAM = """7767517
9 11
Input image 0 1 image
Convolution conv_0 1 1 image a 0=16 1=3 11=3 12=1 13=2 14=1 2=1 3=2 4=1 5=1 6=432 9=1
ConvolutionDepthWise convdw_3 1 1 a b 0=16 1=3 11=3 12=1 13=1 14=1 2=1 3=1 4=1 5=1 6=144 7=16
Convolution conv_1 1 1 b c 0=6 1=1 11=1 12=1 13=1 14=0 2=1 3=1 4=0 5=1 6=96 9=3 -23310=2,0.0,6.0
Split split 1 2 c c0 c1
ConvolutionDepthWise convdw_4 1 1 c0 d 0=6 1=5 11=5 12=1 13=2 14=2 2=1 3=2 4=2 5=1 6=150 7=6
Convolution conv_2 1 1 d maps 0=5 1=1 11=1 12=1 13=1 14=0 2=1 3=1 4=0 5=1 6=30
Pooling gap 1 1 c1 e 0=1 4=1
InnerProduct linear_5 1 1 e gate 0=4 1=1 2=24
"""
LIMITS = {None: (-np.inf, np.inf), "1": (0, np.inf), "3": (0, 6)}  # of the outputs, by the option 9
ORDER = ["stem", "depthwise", "pointwise", "reduce", "maps", "gate"]  # of the convolutions in PARAM


def network() -> Network:
    """image [1, 3, 12, 16] -> maps [1, 5, 3, 4], gate [1, 4, 1, 1]; its channels have uneven sizes."""
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {
        "gate": (4, 6, 1, 1),  # another order than that of the layers
        "stem": (16, 3, 3, 3),
        "depthwise": (16, 1, 3, 3),
        "pointwise": (6, 16, 1, 1),
        "reduce": (6, 1, 5, 5),
        "maps": (5, 6, 1, 1),
    }
    weights = {f"{name}/w": rng.standard_normal(shape) for name, shape in shapes.items()}
    weights |= {f"{name}/b": rng.standard_normal(shape[0]) for name, shape in shapes.items()}
    weights["stem/w"] *= np.geomspace(0.1, 10, 16)[:, None, None, None]
    weights["pointwise/w"] *= 0.02  # so that not all of its outputs are clipped

    def conv(name: str, source: str, target: str, **options: Any) -> Any:
        return helper.make_node("Conv", [source, f"{name}/w", f"{name}/b"], [target], name, **options)

    nodes = [
        conv("stem", "image", "a0", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a0"], ["a"]),
        conv("depthwise", "a", "b", group=16, pads=[1, 1, 1, 1]),
        conv("pointwise", "b", "c0"),
        helper.make_node("Clip", ["c0", "zero", "six"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["e"]),
        conv("gate", "e", "gate"),
        conv("reduce", "c", "d", group=6, strides=[2, 2], pads=[2, 2, 2, 2]),
        conv("maps", "d", "maps"),
    ]
    weights |= {"zero": np.float32(0), "six": np.float32(6)}
    stored = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()]
    ends = [
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in given.items()]
        for given in ({"image": (1, 3, 12, 16)}, {"maps": (1, 5, 3, 4), "gate": (1, 4, 1, 1)})
    ]
    graph = helper.make_graph(nodes, "network", *ends, stored)
    return Network.of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((4, 3, 12, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def given(images) -> tuple[Network, Plan]:
    found = network()
    statistics = collect(found, [{"image": image[None]} for image in images], 1)
    return found, post_training_plan(found, statistics, TARGETS["ncnn"])


@pytest.fixture(scope="module")
def layers(given) -> list[Layer]:
    """Those of `PARAM` with the weights of the labeled model."""
    found = Network.of(labeled(given[0]))
    parts = [part for name in ORDER for part in (found.convs[name].weight, found.convs[name].bias)]
    weights = b"".join(bytes(4 * (i % 2 == 0)) + part.tobytes() for i, part in enumerate(parts))
    return read_layers(PARAM, weights)


def test_what_is_written(given, layers) -> None:
    model, plan = given
    made = int8_layers(layers, model, plan)
    assert [layer.name for layer in made if layer.kind == "Quantize"] == [
        f"{name}_int8" for name in ("conv_0", "convdw_3", "conv_1", "convdw_4", "conv_2")
    ]
    convs = [layer for layer in made if layer.multiplies]
    assert all(layer.options["8"] == "1" for layer in convs)
    for layer, name in zip(convs, ORDER, strict=True):
        planned, quantizer = plan.convs[name], plan.tensors[plan.convs[name].input]
        weight, bias, scales, (scale,) = layer.arrays
        np.testing.assert_array_equal(weight, planned.weight.ravel())
        np.testing.assert_array_equal(bias, planned.bias)
        np.testing.assert_allclose(scales * planned.weight_scales, 1, rtol=1e-6)
        np.testing.assert_allclose(scale * quantizer.scale, 1, rtol=1e-6)


def test_convolutions_that_stay_in_float(given, layers) -> None:
    """They get their own biases for the labels."""
    model, plan = given
    made = int8_layers(layers, model, plan.only(["maps"]))
    assert [layer.options.get("8") for layer in made if layer.multiplies] == [None, None, None, None, "1", None]
    for name, layer in zip(ORDER, [layer for layer in made if layer.multiplies], strict=True):
        if name != "maps":
            np.testing.assert_array_equal(layer.arrays[1], model.convs[name].bias)


def test_depthwise_convolutions_in_float(given, images, monkeypatch) -> None:
    monkeypatch.setattr(vendor_source, "plan_of_weights", lambda *_: None)
    feeds = [{"image": image[None]} for image in images]
    source = Source(cast(Session, None), given[0], {}, feeds, float_depthwise=True)
    assert source.kept_float == ["depthwise", "reduce"]
    assert set(source.plan(TARGETS["ncnn"]).convs) == {"stem", "pointwise", "maps", "gate"}


def test_a_convolution_that_was_changed(given, layers) -> None:
    with pytest.raises(UserError, match=r"^--format: ncnn's converter changed depthwise; report this with the config$"):
        int8_layers([layer for layer in layers if layer.name != "convdw_3"], *given)


def test_groups_of_several_outputs_stay_in_float(caplog) -> None:
    """ncnn has one weight scale for a group."""
    weight, bias = np.ones((4, 2, 1, 1), np.float32), np.arange(4, dtype=np.float32)
    conv = Conv("grouped", "image", "y", weight, bias, 2, {})
    model = Network(None, {"grouped": conv}, {}, {}, {})
    plan = Plan(
        TARGETS["ncnn"],
        {"image": Quantizer(0.5, 0, np.ones(4, np.float32), signed=True)},
        {"grouped": ConvPlan("image", "y", weight.astype(np.int8), np.ones(4, np.float32), bias)},
    )
    label = np.ones(4, np.float32)
    layer = Layer("ConvolutionDepthWise", "g", ("image",), ("y",), {"7": "2"}, (weight.ravel(), label))
    (made,) = int8_layers([layer], model, plan)
    assert "8" not in made.options
    np.testing.assert_array_equal(made.arrays[1], bias)
    assert "ncnn: grouped stays in float: each of its 2 groups has one weight scale" in caplog.text


def blobs(folder: Path, image: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """The values of blobs that ncnn computes for an image [3, H, W], integers as floats."""
    import ncnn

    net = Ncnn(folder / "net.param", 1)._net
    found = {}
    for name in names:
        extractor = net.create_extractor()
        extractor.input("image", ncnn.Mat(image).clone())
        found[name] = np.array(extractor.extract(name)[1])
    return found


def rounded(values: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """The integers of values [C, ...]: halves away from zero, -127 to 127."""
    scaled = values * factors.reshape(-1, *[1] * (values.ndim - 1))
    return np.clip(np.trunc(scaled + np.copysign(np.float32(0.5), scaled)), -127, 127)


def sums(conv: Conv, weight: np.ndarray, integers: np.ndarray) -> np.ndarray:
    """The sums of products [O, h, w] of integer weights and inputs [C, H, W]."""
    top, left, bottom, right = conv.attributes.get("pads", [0, 0, 0, 0])
    padded = np.pad(
        integers.reshape(conv.channels, *integers.shape[1:] or (1, 1)), ((0, 0), (top, bottom), (left, right))
    )
    step, (outputs, per_group, *kernel) = conv.attributes.get("strides", [1])[0], weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, (1, 2))[:, ::step, ::step].astype(np.int64)
    grouped = windows.reshape(conv.groups, per_group, *windows.shape[1:])
    by_group = weight.reshape(conv.groups, outputs // conv.groups, *weight.shape[1:]).astype(np.int64)
    return np.einsum("gchwij,gocij->gohw", grouped, by_group).reshape(outputs, *windows.shape[1:3])


@pytest.mark.skipif(find_spec("ncnn") is None, reason="ncnn is not installed")
def test_every_integer(given, layers, images, tmp_path) -> None:
    model, plan = given
    made = int8_layers(layers, model, plan)
    param, weights = write_layers(made)
    (tmp_path / "net.param").write_text(param)
    (tmp_path / "net.bin").write_bytes(weights)
    found = blobs(tmp_path, images[0], [name for layer in made for name in layer.outputs])
    factors = {layer.outputs[0]: layer.arrays[0] for layer in made if layer.kind == "Quantize"}
    sources = {layer.outputs[0]: layer.inputs[0] for layer in made if layer.kind == "Quantize"}
    for name, layer in zip(ORDER, [layer for layer in made if layer.multiplies], strict=True):
        conv, planned, source = model.convs[name], plan.convs[name], layer.inputs[0]
        expected = rounded(found[sources.get(source, source)], factors.get(source, layer.arrays[3]))
        if source in factors:
            np.testing.assert_array_equal(found[source], expected, err_msg=name)
        steps = (planned.weight_scales * np.float32(plan.tensors[conv.input].scale))[:, None]
        values = sums(conv, planned.weight, expected).reshape(len(steps), -1) * steps
        low, high = LIMITS[layer.options.get("9")]
        outputs = found[layer.outputs[0]].reshape(len(steps), -1)
        # for eight channels at once, ncnn's depthwise kernel on x86 takes a reciprocal of 12 bits
        slack = 0.01 * steps + (4e-4 * np.abs(values) if name == "depthwise" else 0)
        assert (np.abs(outputs - np.clip(values + planned.bias[:, None], low, high)) < slack).all(), name
    exact = OnnxRuntime(model.model.SerializeToString(), 1).run({"image": images[:1]})
    for name, expected in zip(("maps", "gate"), exact, strict=True):
        assert np.abs(found[name].ravel() - expected.ravel()).max() < 0.05 * np.abs(expected).max()


@pytest.mark.skipif(find_spec("pnnx") is None, reason="pnnx is not installed")
def test_files_by_pnnx(given, images, tmp_path) -> None:
    """pnnx writes what `PARAM` says."""
    model, plan = given
    target = tmp_path / "net.param"
    write_ncnn_int8(model, plan, Conversion(Path("unused"), target))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.bin", "net.param"]
    text = target.read_text()
    assert text.count(" 8=1") == len(ORDER)
    assert text.count("Quantize") == 5
    exact = OnnxRuntime(model.model.SerializeToString(), 1).run({"image": images[:1]})
    for expected, found in zip(exact, Ncnn(target, 1).run({"image": images[:1]}), strict=True):
        assert np.abs(found.ravel() - expected.ravel()).max() < 0.05 * np.abs(expected).max()
