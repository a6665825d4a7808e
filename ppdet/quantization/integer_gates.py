"""Hard swish between integers, for a runtime whose convolutions write integers: z * clip(z / 6 + 1/2, 0, 1).

ONNX Runtime has no integer hard swish. It would turn integers into floats, and back, which takes longer than it gains
by the convolutions. It can multiply integers, though: the factor on the right is a tensor of integers as well.

- With one scale for all channels, whose steps divide 3, those integers are the ones of z itself: another zero point
  adds 3 to their value, and Clip bounds them above. No precision is lost.
- With a scale for each channel, a depthwise 1 x 1 convolution makes them: its result is written in 0..255, which is
  both bounds.

Either way, z and its hard swish have the same channel scales, so that the product needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ppdet.quantization.plan import LARGEST_BIAS, Plan, Quantizer

_FULL = 255


def integer_gates(graph: Any, plan: Plan) -> dict[str, str]:
    """Returns the inputs of the hard swishes that are computed in integers, by their outputs; none if the rules say so.

    The input has to be written by a convolution of the plan and read by nothing else, and the output needs a quantizer.
    """
    if not plan.rules.integer_gates:
        return {}
    written = {conv.output for conv in plan.convs.values()} & plan.tensors.keys()
    read = [name for node in graph.node for name in node.input] + [output.name for output in graph.output]
    return {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "HardSwish"
        and node.input[0] in written
        and node.output[0] in plan.tensors
        and read.count(node.input[0]) == 1
    }


def with_shared_scales(plan: Plan, graph: Any) -> Plan:
    """Returns the plan in which the input of each hard swish in integers has the channel scales of its output.

    Its range stays what it was, except that values below -3 become -3: their hard swish is 0 as well.
    """
    gates = integer_gates(graph, plan)
    shared = {source: _input_quantizer(plan.tensors[source], plan.tensors[name]) for name, source in gates.items()}
    return replace(plan, tensors={**plan.tensors, **shared})


def _input_quantizer(source: Quantizer, result: Quantizer) -> Quantizer:
    scales = result.channel_scales
    low, high = (np.float64(limit - source.zero_point) * source.steps for limit in source.limits)
    if result.is_even:  # the value 3 is a whole number of steps
        zero_point = min(max(int(_FULL * 3 / (3 + high.max())), 1), _FULL - 1)
        return Quantizer(float(np.float32(3 / zero_point / scales[0])), zero_point, scales, signed=False)
    smallest, largest = (np.maximum(low, -3) / scales).min(), (high / scales).max()
    return Quantizer.of_range(float(smallest), float(largest), scales, symmetric=False)


def parameter_node(name: str, integers: np.ndarray, scales: np.ndarray, constant: Callable[[np.ndarray], str]) -> Any:
    """Returns the node that gives a weight or a bias by its integers and the scales [O] of output channels.

    `constant` adds an initializer and returns its name.
    """
    from onnx import helper

    inputs = [constant(each) for each in (integers, scales, np.zeros(len(scales), integers.dtype))]
    return helper.make_node("DequantizeLinear", inputs, [name], f"{name}/dequantize", axis=0)


def gate_nodes(source: str, result: str, quantizer: Quantizer, constant: Callable[[np.ndarray], str]) -> list[Any]:
    """Returns the nodes that multiply z in units of its channel scales with the factor.

    Args:
        source: name of z, as "<name>/quantized" and "<name>/dequantized".
        result: name of the product, in the same units.
        quantizer: that of z, with the channel scales of the product.
        constant: adds an initializer and returns its name.
    """
    from onnx import helper

    factor = f"{source}/factor"
    make = _clipped if quantizer.is_even else _convolved
    nodes = make(source, factor, quantizer, constant)
    return [*nodes, helper.make_node("Mul", [f"{source}/dequantized", factor], [result], f"{result}/gate")]


def _clipped(source: str, factor: str, quantizer: Quantizer, constant: Callable[[np.ndarray], str]) -> list[Any]:
    from onnx import helper

    integers = f"{source}/quantized"
    bound = constant(np.array(min(2 * quantizer.zero_point, _FULL), np.uint8))
    step = constant(np.array(quantizer.steps[0] / 6, np.float32))
    zero = constant(np.array(0, np.uint8))
    return [
        helper.make_node("Clip", [integers, "", bound], [f"{factor}/clipped"], f"{factor}/clip"),
        helper.make_node("DequantizeLinear", [f"{factor}/clipped", step, zero], [factor], f"{factor}/dequantize"),
    ]


def _convolved(source: str, factor: str, quantizer: Quantizer, constant: Callable[[np.ndarray], str]) -> list[Any]:
    from onnx import helper

    # all in float32, as in ppdet.modeling.fake_quant
    scale, half = np.float32(quantizer.scale), np.float32(0.5)
    steps = np.maximum(quantizer.channel_scales / np.float32(6 * 127), half / (np.float32(LARGEST_BIAS) * scale))
    weight = np.rint(quantizer.channel_scales / (np.float32(6) * steps)).astype(np.int8).reshape(-1, 1, 1, 1)
    bias = np.rint(half / (steps * scale)).astype(np.int32)
    parameters = [
        parameter_node(f"{factor}/weight", weight, steps, constant),
        parameter_node(f"{factor}/bias", bias, steps * scale, constant),
    ]
    inputs = [f"{source}/dequantized", f"{factor}/weight", f"{factor}/bias"]
    unit = [constant(np.array(1 / _FULL, np.float32)), constant(np.array(0, np.uint8))]
    return [
        *parameters,
        helper.make_node("Conv", inputs, [f"{factor}/float"], f"{factor}/conv", group=len(weight), kernel_shape=[1, 1]),
        helper.make_node("QuantizeLinear", [f"{factor}/float", *unit], [f"{factor}/integers"], f"{factor}/quantize"),
        helper.make_node("DequantizeLinear", [f"{factor}/integers", *unit], [factor], f"{factor}/dequantize"),
    ]
