"""INT8 files of MNN: its converter writes our integers, given the scales and zero points.

MNN's own quantizer is not used: it has no zero points, and adds up the squares of all activations in float32, where
small ones get lost, so that its ranges depend on the order of the images.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

import numpy as np

from ppdet.quantization.network import drop_unread_constants, readers
from ppdet.quantization.plan import Plan, Quantizer
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.mnn import convert_mnn
from ppdet.vendor.mnn_parameters import Int8Conv, Steps, encoded

logger = logging.getLogger(__name__)

# operators that move values: MNN gives what they read and write the steps of one of these tensors
_MOVES = ("Concat", "Identity", "Reshape", "Resize", "Slice", "Split", "Transpose")
_FUSED = ("Relu", "Clip")  # activations that MNN makes a part of the convolution before them


def write_mnn_int8(model: Any, plan: Plan, job: Conversion) -> None:
    """Write `job.target` with the convolutions of the plan in INT8.

    Args:
        model: the float onnx.ModelProto.
        plan: its quantization, with one scale for an activation, and quantizers of what the convolutions write.
        job: the files; the model with rounded weights becomes its source.

    Raises:
        UserError: MNN's converter fails.
    """
    import onnx

    plan = without_pools(model, plan)
    onnx.save(with_rounded_weights(model, plan), str(job.source))
    convert_mnn(job, encoded(int8_convs(model, plan)))


def without_pools(model: Any, plan: Plan) -> Plan:
    """Returns the plan without convolutions beside a MaxPool, and without those that read means.

    MNN 3.6 takes wrong maxima of integers on x86 (benchmarks/vendor_faults.py shows it). And if the means of a map are
    integers, it makes the map integers of the same steps, which are too small for it.
    """
    read_by, nodes = readers(model.graph), model.graph.node
    around = {name for node in nodes if node.op_type == "MaxPool" for name in (*node.input, *node.output)}
    around |= {name for node in nodes if node.op_type == "GlobalAveragePool" for name in node.output}
    kept = [
        name
        for name, conv in plan.convs.items()
        if around.isdisjoint((conv.input, *_written_by(conv.output, read_by.get(conv.output, []))))
    ]
    if left := plan.convs.keys() - kept:
        logger.info("mnn: convolutions in float, because they are beside a pooling: %s", ", ".join(sorted(left)))
    return plan.only(kept)


def with_rounded_weights(model: Any, plan: Plan) -> Any:
    """Returns a copy of an onnx.ModelProto whose weights are whole multiples of the plan's scales, with its biases."""
    import onnx
    from onnx import numpy_helper

    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    graph = rounded.graph
    for node in graph.node:
        conv = plan.convs.get(node.name)
        if conv is not None:
            del node.input[1:]
            for part, value in {"weight": conv.scaled_weight, "bias": conv.bias}.items():
                node.input.append(f"{node.name}/rounded_{part}")
                graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), node.input[-1]))
    drop_unread_constants(graph)
    return rounded


def int8_convs(model: Any, plan: Plan) -> list[Int8Conv]:
    """Returns the parameters of the plan's convolutions."""
    read_by, tensors = readers(model.graph), with_common_steps(model, plan)
    return [
        Int8Conv(
            _names(conv.output, read_by.get(conv.output, [])),
            _steps(tensors[conv.input]),
            _steps(tensors[conv.output]),
            conv.weight_scales.tolist(),
        )
        for conv in plan.convs.values()
    ]


def with_common_steps(model: Any, plan: Plan) -> dict[str, Quantizer]:
    """Returns the quantizers of the plan, those of tensors that exchange values with the range of all of them."""
    group: dict[str, str] = {}

    def root(name: str) -> str:
        while group.setdefault(name, name) != name:
            name = group[name]
        return name

    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in _MOVES:
            first, *others = [name for name in (*node.input, *node.output) if name and name not in constants]
            for name in others:
                group[root(name)] = root(first)
    found: dict[str, list[Quantizer]] = defaultdict(list)
    for name, quantizer in plan.tensors.items():
        found[root(name)].append(quantizer)
    return {name: _common(found[root(name)]) for name in plan.tensors}


def _common(quantizers: list[Quantizer]) -> Quantizer:
    """Returns the quantizer that holds the ranges of all."""
    if len(quantizers) == 1:
        return quantizers[0]
    ends = [[(limit - each.zero_point) * each.scale for limit in each.limits] for each in quantizers]
    first = quantizers[0]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return Quantizer.of_range(low, high, first.channel_scales, symmetric=first.signed)


def _names(output: str, nodes: list[Any]) -> tuple[str, ...]:
    """The names that MNN may give to what a convolution writes, which `nodes` read.

    It is that of an activation which becomes a part of the convolution, or has an ending if MNN turns the axes of an
    output of the graph.
    """
    return tuple(f"{name}{ending}" for name in _written_by(output, nodes) for ending in ("", "__before_tr"))


def _written_by(output: str, nodes: list[Any]) -> list[str]:
    """Names of what a convolution writes, and of what the activations among its readers `nodes` make of it."""
    return [output, *(node.output[0] for node in nodes if node.op_type in _FUSED)]


def _steps(quantizer: Quantizer) -> Steps:
    return Steps(quantizer.scale, quantizer.zero_point - (0 if quantizer.signed else 128))
