"""INT8 in an ONNX graph: QuantizeLinear and DequantizeLinear around chosen convolutions."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ppdet.deploy.backends.base import Feed
from ppdet.utils.files import temporary_folder

Ranges = Mapping[str, tuple[np.ndarray, np.ndarray]]  # the smallest and the largest value of each tensor


def with_shapes(model: Any) -> Any:
    """Returns the onnx.ModelProto with inferred tensor shapes, which the other functions here need."""
    import onnx

    return onnx.shape_inference.infer_shapes(model)


def convolutions(model: Any) -> list[str]:
    """Returns the names of the convolutions that are worth quantizing, in the graph's order.

    Convolutions on 1 x 1 maps (squeeze and excite) are left out: they take less time than the conversion to INT8.
    """
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output)
    }
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convs if shapes.get(node.output[0], [])[2:] != [1, 1]]


def measure_ranges(model: Any, feeds: Sequence[Feed]) -> Ranges:
    """Returns the ranges of what convolutions read and write over all feeds.

    Values that a hard swish turns into 0 are left out.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._remaining: Iterator[Feed] = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self._remaining, None)

    with temporary_folder() as folder:
        source, augmented = folder / "model.onnx", folder / "augmented.onnx"
        onnx.save(model, str(source))
        calibrator = create_calibrator(source, ["Conv"], str(augmented), CalibrationMethod.MinMax)
        calibrator.collect_data(Reader())
        found = {name: value.range_value for name, value in calibrator.compute_data().items()}
    gated = _hard_swish_inputs(model.graph)
    return {name: (np.maximum(low, -3) if name in gated else low, high) for name, (low, high) in found.items()}


def _hard_swish_inputs(graph: Any) -> set[str]:
    """Returns the tensors that only HardSwish reads, which is 0 below -3.

    Often half of their range lies below -3. Without that part the quantization steps are half as wide.
    """
    readers: dict[str, set[str]] = defaultdict(set)
    for node in graph.node:
        for name in node.input:
            readers[name].add(node.op_type)
    return {name for name, operators in readers.items() if operators == {"HardSwish"}}


def quantized(model: Any, ranges: Ranges, names: Sequence[str], *, outputs: bool = True) -> Any:
    """Returns a copy with some convolutions in INT8.

    Weights are signed, with a scale per channel. Activations are unsigned, with a scale and a zero point per tensor.

    Args:
        model: a float onnx.ModelProto.
        ranges: the ranges of its tensors.
        names: the convolutions.
        outputs: quantize the outputs of the convolutions as well as their inputs. ONNX Runtime needs it: its INT8
            kernels work between INT8 tensors. OpenVINO needs INT8 inputs only, and is faster and more precise without.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    options = {} if outputs else {"OpTypesToExcludeOutputQuantization": ["Conv"]}
    quantizer = QDQQuantizer(
        copy.deepcopy(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, dict(ranges)),
        nodes_to_quantize=list(names),
        nodes_to_exclude=[],
        op_types_to_quantize=["Conv"],
        extra_options=options,
    )
    if names:  # an empty list would mean all convolutions
        quantizer.quantize_model()
    return quantizer.model.model
