"""Shows faults of vendors' converters and runtimes, each with the smallest graph that has it.

    python benchmarks/vendor_faults.py

It needs ncnn, pnnx, MNN, onnx and onnxruntime, and takes half a minute, for MNN's quantizer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from onnx import helper, numpy_helper, save

from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.deploy.backends.small_runtimes import Mnn, Ncnn
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.mnn import convert_mnn
from ppdet.vendor.mnn_parameters import Int8Conv, Steps, encoded
from ppdet.vendor.ncnn_files import Layer, as_int8, write_layers
from ppdet.vendor.tools import run_worker

SHAPE = (1, 3, 4, 8)


def write_reduction(operator: str, path: Path) -> None:
    """An ONNX file that adds up, or averages, the last axis of an image of SHAPE."""
    axes = [numpy_helper.from_array(np.array([3]), "axes")] if operator == "ReduceSum" else []
    options = {} if axes else {"axes": [3]}
    graph = helper.make_graph(
        [helper.make_node(operator, ["image", *(each.name for each in axes)], ["y"], keepdims=0, **options)],
        "reduction",
        [helper.make_tensor_value_info("image", 1, SHAPE)],
        [helper.make_tensor_value_info("y", 1, SHAPE[:3])],
        axes,
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7), str(path))


def show_reciprocal(channels: int, folder: Path) -> None:
    """Print the error of a depthwise 1x1 convolution in INT8 by ncnn.

    On x86, where eight channels are computed at once, the kernel divides by the scales with a reciprocal of 12 bits.
    """
    ones, options = np.ones(channels, np.float32), {"0": channels, "1": 1, "6": channels, "7": channels}
    text = {number: str(value) for number, value in options.items()}
    conv = Layer("ConvolutionDepthWise", "conv", ("image",), ("y",), text)
    step = np.float32(0.07)
    conv = as_int8(conv, np.full(channels, 100, np.int8), 0 * ones, step * ones, step)
    param, weights = write_layers([Layer("Input", "image", (), ("image",), {}), conv])
    (folder / "int8.param").write_text(param)
    (folder / "int8.bin").write_bytes(weights)
    image = np.full((1, channels, 2, 2), 100 * step)
    error = Ncnn(folder / "int8.param", 1).run({"image": image})[0] / (100 * step) ** 2 - 1
    print(f"ncnn, depthwise convolution in INT8, {channels} channels: found an error of {np.abs(error).max():.1e}")


def show_order(folder: Path) -> None:
    """Print the scale that MNN's quantizer (ADMM) finds for two images, one ten times as large, in both orders.

    It adds up products in float32: where the sum is large, small ones get lost. The converter is not concerned.
    """
    shape, rng = (1, 3, 640, 640), np.random.default_rng(0)
    ends = [[helper.make_tensor_value_info(name, 1, shape)] for name in ("image", "y")]
    weight = numpy_helper.from_array(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), "w")
    graph = helper.make_graph([helper.make_node("Conv", ["image", "w"], ["y"], "conv")], "copy", *ends, [weight])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7), str(folder / "copy.onnx"))
    convert_mnn(Conversion(folder / "copy.onnx", folder / "copy.mnn"))
    images = {"large": rng.standard_normal(shape), "small": 0.1 * rng.standard_normal(shape)}
    for order in (["large", "small"], ["small", "large"]):
        for place, name in enumerate(order):
            (sample := folder / "-".join(order) / str(place)).mkdir(parents=True)
            np.savetxt(sample / "image.txt", images[name].ravel(), fmt="%.6g")
            (sample / "input.json").write_text(json.dumps({"inputs": [{"name": "image", "shape": shape}]}))
        settings = {"input_type": "sequence", "path": f"{folder / '-'.join(order)}/", "used_sample_num": 2}
        settings |= {
            "feature_quantize_method": "ADMM",
            "weight_quantize_method": "MAX_ABS",
            "width": 640,
            "height": 640,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        files = [str(folder / name) for name in ("copy.mnn", "int8.mnn", "settings.json")]
        command = "import sys, _tools; _tools.mnnquant(['mnnquant', *sys.argv[1:]])"
        subprocess.run([sys.executable, "-c", command, *files], check=True, capture_output=True)
        (scale,) = json.loads((folder / "int8.mnn.json").read_text())[0]["outputs"][0]["scales"]
        print(
            f"MNN's quantizer, the {order[0]} image first: found the scale {scale:.4f}, expected {_scale(images):.4f}"
        )


def show_maxima(folder: Path) -> None:
    """Print how far the maxima of integers are off in MNN: a MaxPool between two convolutions that copy, in INT8."""
    shape, step = (1, 8, 8, 8), 1 / 64
    ends = [[helper.make_tensor_value_info(name, 1, side)] for name, side in (("image", shape), ("y", (1, 8, 4, 4)))]
    weight = numpy_helper.from_array(np.eye(8, dtype=np.float32).reshape(8, 8, 1, 1), "w")
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], "first"),
        helper.make_node("MaxPool", ["a"], ["b"], "pool", **window),
        helper.make_node("Conv", ["b", "w"], ["y"], "last"),
    ]
    graph = helper.make_graph(nodes, "maxima", *ends, [weight])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7), str(folder / "pool.onnx"))
    steps = Steps(step, 0)
    convs = [Int8Conv((name, f"{name}__before_tr"), steps, steps, [1.0] * 8) for name in ("a", "y")]
    convert_mnn(Conversion(folder / "pool.onnx", folder / "pool.mnn"), encoded(convs))
    image = np.random.default_rng(0).integers(-100, 100, shape).astype(np.float32) * np.float32(step)
    expected = OnnxRuntime(folder / "pool.onnx", 1).run({"image": image})[0]
    found = Mnn(folder / "pool.mnn", 1).run({"image": image})[0]
    error = np.abs(found.reshape(expected.shape) - expected).max() / step
    print(f"MNN, MaxPool of integers of both signs: found an error of {error:.0f} steps, expected 0")


def _scale(images: dict[str, np.ndarray]) -> float:
    """The scale at which ADMM ends, in float64."""
    values = np.concatenate([each.ravel() for each in images.values()])
    scale = np.abs(values).max() / (2.5 * 127)
    for _ in range(100):
        integers = np.clip(np.rint(values / scale), -127, 127)
        scale = (integers @ values) / (integers @ integers)
    return float(scale)


def main() -> None:
    image = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    with tempfile.TemporaryDirectory() as temp:
        show_maxima(Path(temp))
        show_order(Path(temp))
        for channels in (6, 8):
            show_reciprocal(channels, Path(temp))
        for operator in ("ReduceSum", "ReduceMean"):
            source = Path(temp, "model.onnx")
            write_reduction(operator, source)
            run_worker("ncnn", {"source": str(source), "shape": SHAPE, "fp16": False}, None)
            expected = OnnxRuntime(source, 1).run({"image": image})[0].shape
            found = Ncnn(Path(temp, "model.ncnn.param"), 1).run({"in0": image})[0].shape
            print(f"pnnx, {operator} over axis 3 of {SHAPE}: found {found}, expected {expected}")


if __name__ == "__main__":
    main()
