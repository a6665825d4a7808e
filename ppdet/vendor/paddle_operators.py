"""The operators of Paddle 2 for those of ONNX that PicoDet has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Operator = tuple[str, dict[str, list[str]], str, dict[str, Any]]  # type, inputs, parameter of the output, options
Maker = Callable[[Sequence[str], dict[Any, Any]], Operator]
_LARGEST = 2**31 - 1


def _activation(kind: str, **options: Any) -> Maker:
    return lambda names, _: (kind, {"X": [names[0]]}, "Out", options)


def _elementwise(kind: str) -> Maker:
    return lambda names, _: (f"elementwise_{kind}", {"X": [names[0]], "Y": [names[1]]}, "Out", {"axis": -1})


def _conv(names: Sequence[str], options: dict[Any, Any]) -> Operator:
    top, left, bottom, right = options.get("pads", [0, 0, 0, 0])
    weight, groups = options[1], options.get("group", 1)
    depthwise = groups > 1 and weight.shape[1] == 1 and weight.shape[0] == groups
    attributes = {
        "strides": list(options.get("strides", [1, 1])),
        "paddings": [top, bottom, left, right],
        "dilations": list(options.get("dilations", [1, 1])),
        "groups": groups,
        "padding_algorithm": "EXPLICIT",
        "data_format": "NCHW",
    }
    inputs = {"Input": [names[0]], "Filter": [names[1]]}
    return "depthwise_conv2d" if depthwise else "conv2d", inputs, "Output", attributes


def _concat(names: Sequence[str], options: dict[Any, Any]) -> Operator:
    return "concat", {"X": list(names)}, "Out", {"axis": options["axis"]}


def _slice(names: Sequence[str], options: dict[Any, Any]) -> Operator:
    ends = [min(int(end), _LARGEST) for end in options[2]]
    attributes = {"axes": options[3].tolist(), "starts": options[1].tolist(), "ends": ends, "decrease_axis": []}
    return "slice", {"Input": [names[0]]}, "Out", {**attributes, "infer_flags": [1] * len(ends)}


def _sum(names: Sequence[str], options: dict[Any, Any]) -> Operator:
    attributes = {"dim": options[1].tolist(), "keep_dim": bool(options.get("keepdims", 1)), "reduce_all": False}
    return "reduce_sum", {"X": [names[0]]}, "Out", attributes


def _resize(names: Sequence[str], options: dict[Any, Any]) -> Operator:
    scales = [float(value) for value in options[2][2:]]
    attributes = {"scale": scales, "out_h": -1, "out_w": -1, "interp_method": "nearest", "align_corners": False}
    return "nearest_interp_v2", {"X": [names[0]]}, "Out", {**attributes, "data_layout": "NCHW"}


def _pool(names: Sequence[str], options: dict[Any, Any]) -> Operator:
    attributes = {"pooling_type": "avg", "ksize": [1, 1], "global_pooling": True, "strides": [1, 1], "paddings": [0, 0]}
    return "pool2d", {"X": [names[0]]}, "Out", attributes


OPERATORS: dict[str, Maker] = {
    "Add": _elementwise("add"),
    "Concat": _concat,
    "Conv": _conv,
    "GlobalAveragePool": _pool,
    "HardSigmoid": lambda names, o: (
        "hard_sigmoid",
        {"X": [names[0]]},
        "Out",
        {"slope": o.get("alpha", 0.2), "offset": o.get("beta", 0.5)},
    ),
    "HardSwish": _activation("hard_swish", threshold=6.0, scale=6.0, offset=3.0),
    "LeakyRelu": lambda names, o: ("leaky_relu", {"X": [names[0]]}, "Out", {"alpha": o.get("alpha", 0.01)}),
    "Mul": _elementwise("mul"),
    "ReduceSum": _sum,
    "Relu": _activation("relu"),
    "Reshape": lambda names, o: ("reshape2", {"X": [names[0]]}, "Out", {"shape": o[1].tolist()}),
    "Resize": _resize,
    "Sigmoid": _activation("sigmoid"),
    "Slice": _slice,
    "Softmax": lambda names, o: ("softmax", {"X": [names[0]]}, "Out", {"axis": o.get("axis", -1)}),
    "Sqrt": _activation("sqrt"),
    "Sub": _elementwise("sub"),
    "Transpose": lambda names, o: ("transpose2", {"X": [names[0]]}, "Out", {"axis": list(o["perm"])}),
}
