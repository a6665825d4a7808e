"""INT8 in an ONNX graph: QuantizeLinear and DequantizeLinear around chosen convolutions."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ppdet.export.runners import Feed
from ppdet.utils.files import temporary_folder

Ranges = Mapping[str, tuple[np.ndarray, np.ndarray]]  # the smallest and the largest value of a tensor


def with_shapes(model: Any) -> Any:
    """The onnx.ModelProto with the shape of every tensor that follows from the inputs', as the others here need it."""
    import onnx

    return onnx.shape_inference.infer_shapes(model)


def convolutions(model: Any) -> list[str]:
    """Names of the convolutions that are worth quantising, in the graph's order.

    Those on 1 x 1 maps (squeeze and excite) take no time, but converting to INT8 and back would.
    """
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output)
    }
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convs if shapes.get(node.output[0], [])[2:] != [1, 1]]


def measure_ranges(model: Any, feeds: Sequence[Feed]) -> Ranges:
    """What convolutions read and write over all feeds, except for what a hard swish makes zero of anyway."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
    from onnxruntime.quantization.calibrate import create_calibrator

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left: Iterator[Feed] = iter(feeds)

        def get_next(self) -> Feed | None:
            return next(self._left, None)

    with temporary_folder() as folder:
        source, augmented = folder / "model.onnx", folder / "augmented.onnx"
        onnx.save(model, str(source))
        calibrator = create_calibrator(source, ["Conv"], str(augmented), CalibrationMethod.MinMax)
        calibrator.collect_data(Reader())
        found = {name: value.range_value for name, value in calibrator.compute_data().items()}
    gated = _hard_swish_inputs(model.graph)
    return {name: (np.maximum(low, -3) if name in gated else low, high) for name, (low, high) in found.items()}


def _hard_swish_inputs(graph: Any) -> set[str]:
    """Tensors that only HardSwish reads, which is 0 below -3.

    Often half of their range lies there; not to spend numbers on it makes the others twice as fine.
    """
    readers: dict[str, set[str]] = defaultdict(set)
    for node in graph.node:
        for name in node.input:
            readers[name].add(node.op_type)
    return {name for name, operators in readers.items() if operators == {"HardSwish"}}


def quantized(model: Any, ranges: Ranges, names: Sequence[str], *, outputs: bool = True) -> Any:
    """A copy with the named convolutions in INT8: weights signed with a scale per channel, activations unsigned with
    a scale and a zero point per tensor.

    outputs: quantise what the convolutions give as well. ONNX Runtime has INT8 kernels only for convolutions between
    INT8 tensors; OpenVINO needs INT8 inputs only, and keeps more precision and time without.
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
    if names:  # an empty list would mean all
        quantizer.quantize_model()
    return quantizer.model.model
