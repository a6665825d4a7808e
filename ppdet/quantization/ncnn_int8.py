"""INT8 files of ncnn: the float net that pnnx writes, with its convolutions as a plan has them.

ncnn has no converter of its own in a package, and needs none: its convolutions read floats or integers and write
floats. A `Quantize` layer with a scale for each channel makes the integers, so that the model's channels stay as they
are; if all have the same scale, the convolution does it. ncnn's requantization from layer to layer has one scale for a
map, which would undo the channel scales, and is not used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.quantization.network import Conv, Network
from ppdet.quantization.plan import Plan
from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.ncnn import convert_ncnn
from ppdet.vendor.ncnn_files import Layer, as_int8, quantize_layer, read_layers, write_layers

logger = logging.getLogger(__name__)


def write_ncnn_int8(network: Network, plan: Plan, job: Conversion) -> None:
    """Write `job.target` (.param), and the .bin beside it, with the convolutions of the plan in INT8.

    Args:
        network: the float model.
        plan: its quantization.
        job: the files; its source is not read.

    Raises:
        UserError: pnnx fails, or changes convolutions.
    """
    import onnx

    with temporary_folder() as temp:
        onnx.save(labeled(network), str(temp / "model.onnx"))
        written = temp / "model.ncnn.param"
        convert_ncnn(Conversion(temp / "model.onnx", written, tool_env=job.tool_env))
        layers = read_layers(written.read_text(encoding="utf-8"), written.with_suffix(".bin").read_bytes())
    param, weights = write_layers(int8_layers(layers, network, plan))
    job.target.write_text(param, encoding="utf-8")
    job.target.with_suffix(".bin").write_bytes(weights)


def labeled(network: Network) -> Any:
    """Returns a copy of the onnx.ModelProto whose biases are the numbers of the convolutions, from 1.

    pnnx gives layers other names and another order, and convolutions may have equal weights.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.ModelProto()
    model.CopyFrom(network.model)
    numbers = {name: number for number, name in enumerate(network.convs, 1)}
    for node in model.graph.node:
        if node.name in numbers:
            label = np.full(len(network.convs[node.name].weight), numbers[node.name], np.float32)
            model.graph.initializer.append(numpy_helper.from_array(label, f"{node.name}/label"))
            del node.input[2:]
            node.input.append(f"{node.name}/label")
    return model


def int8_layers(layers: Sequence[Layer], network: Network, plan: Plan) -> list[Layer]:
    """Returns the layers of a net with the convolutions of the plan in INT8, and the others with their own biases.

    Args:
        layers: those of the labeled model.
        network: the float model.
        plan: its quantization.

    Raises:
        UserError: a convolution of the network is not among the layers.
    """
    missing, made = dict(network.convs), list[Layer]()
    for layer in layers:
        conv = _labeled_conv(layer, network)
        made += [layer] if conv is None else _written(layer, missing.pop(conv.name), plan)
    if missing:
        raise UserError(f"--format: ncnn's converter changed {', '.join(missing)}; report this with the config")
    return made


def _labeled_conv(layer: Layer, network: Network) -> Conv | None:
    """The convolution that a layer stands for; None if it is something else."""
    if not layer.multiplies or len(layer.arrays) < 2:
        return None
    weight, label = layer.arrays
    convs = [conv for conv in list(network.convs.values())[int(label[0]) - 1 :][:1] if len(label) == len(conv.weight)]
    return next((conv for conv in convs if np.array_equal(weight, conv.weight.ravel())), None)


def _written(layer: Layer, conv: Conv, plan: Plan) -> list[Layer]:
    """The layers of a convolution: what makes its integers, and the convolution."""
    planned = plan.convs.get(conv.name)
    if planned is None or not _has_scales(layer, conv):
        return [replace(layer, arrays=(layer.arrays[0], conv.bias))]
    quantizer = plan.tensors[conv.input]
    made = []
    if (quantizer.channel_scales != 1).any():
        made.append(quantize_layer(layer.inputs[0], f"{layer.name}_int8", quantizer.steps))
        layer = replace(layer, inputs=made[0].outputs)
    return [*made, as_int8(layer, planned.weight, planned.bias, planned.weight_scales, quantizer.scale)]


def _has_scales(layer: Layer, conv: Conv) -> bool:
    """Whether ncnn has a scale for each output of a convolution; in groups it has one for each group."""
    found = layer.kind != "ConvolutionDepthWise" or conv.groups == len(conv.weight)
    if not found:
        logger.warning("ncnn: %s stays in float: each of its %d groups has one weight scale", conv.name, conv.groups)
    return found
