"""Operators that toolchains for small devices have, in float and in 8 bits."""

from __future__ import annotations

from typing import Any

from ppdet.core.errors import UserError

# Those that ONNX models of PicoDet can be made of, and that all of these convert and compute:
# - TFLite: the operators of its 8-bit quantization specification, through onnx2tf;
# - ncnn: its table of ONNX operators (docs/developer-guide/operators.md), through pnnx;
# - MNN: MNNConvert's list of ONNX operators;
# - Paddle Lite: the operators of its ARM kernels that have this meaning;
# - RKNN-Toolkit2: its list of ONNX operators;
# - ONNX Runtime (QDQ) and OpenVINO, whose INT8 leaves in float what it does not have in integers.
# Not in it, on purpose: whatever has outputs or shapes that depend on values (NonMaxSuppression, NonZero, TopK, Shape),
# gathers (Gather, GatherND, ScatterND), and comparisons and choices (Equal, Less, Where, Cast to bool).
_LAYERS = {"AveragePool", "Conv", "GlobalAveragePool", "MaxPool", "Resize", "Softmax"}
_ACTIVATIONS = {"Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid"}
_ARITHMETIC = {"Add", "Div", "Max", "Min", "Mul", "ReduceMean", "ReduceSum", "Sqrt", "Sub"}
_SHAPES = {"Concat", "Flatten", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"}
OPERATORS = frozenset(_LAYERS | _ACTIVATIONS | _ARITHMETIC | _SHAPES)
# Not computed by the device: a quantized model has them around other operators, and half-precision weights a Cast.
_FORMAT = frozenset({"Constant", "DequantizeLinear", "QuantizeLinear"})


def missing_operators(graph: Any) -> list[str]:
    """Returns the operators of an onnx.GraphProto that small devices may lack, sorted."""
    weights = {tensor.name for tensor in graph.initializer}
    computed = (node for node in graph.node if not (node.op_type == "Cast" and weights.issuperset(node.input)))
    return sorted({node.op_type for node in computed} - OPERATORS - _FORMAT)


def require_small_device_operators(graph: Any) -> None:
    """Raises UserError, which names the operators, if small devices may lack some of an onnx.GraphProto."""
    if missing := missing_operators(graph):
        raise UserError(
            f"export.nms: found none, but the graph has {', '.join(missing)}, which small devices may lack; expected "
            "the operators of ppdet/export/small_devices.py; export with nms=false instead, without this check"
        )
