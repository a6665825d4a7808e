"""Translates between a plan, which belongs to a graph, and the layout of a detector with fake quantization."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle
from paddle import nn

from ppdet.modeling import PicoDet
from ppdet.modeling.fake_quant import Activation, Int8Conv, Int8Layout
from ppdet.modeling.fake_quant.layers import FakeQuantConvNormAct, folded, in_input_units
from ppdet.modeling.fake_quant.quantizer import FakeQuantizer
from ppdet.quantization.plan import LARGEST_BIAS, ConvPlan, Plan, Quantizer, Rules

_INSIDE = 0.49  # of a step: the distance from an integer that certainly rounds to it


def layout_of(
    plan: Plan, names: Mapping[str, str], gates: Mapping[str, str], target: str, model: PicoDet
) -> Int8Layout:
    """Returns the layout of a plan of a model.

    Args:
        plan: the plan.
        names: those of layers by the names of nodes.
        gates: the inputs of the hard swishes in integers, by their outputs.
        target: the name of the plan's rules.
        model: the model.
    """
    gate_of = {source: result for result, source in gates.items()}
    layers = dict(model.named_sublayers())
    indices = {tensor: index for index, tensor in enumerate(plan.tensors)}
    activations = tuple(
        Activation(
            each.scale,
            each.zero_point,
            each.channel_scales,
            *each.limits,
            trained=not (name in gate_of and each.is_even),  # the value 3 has to stay a whole number of steps
        )
        for name, each in plan.tensors.items()
    )
    convs = {}
    for node, conv in plan.convs.items():
        name = names[node]
        output = indices.get(conv.output) if plan.rules.outputs else None
        is_total = name not in layers and name.endswith(".1")  # of a split filter
        constant = conv.float_weight(plan.tensors[conv.input].channel_scales) if is_total else None
        gate = indices.get(gate_of.get(conv.output, ""))
        convs[name] = Int8Conv(indices[conv.input], output, conv.weight_scales, constant, gate)
    return Int8Layout(target, activations, convs)


def set_weights(model: PicoDet, plan: Plan, names: Mapping[str, str]) -> None:
    """Gives the convolutions of a model with fake quantization the integers and biases of a plan, in place.

    A weight that rounds to its integer stays; another one moves only as far as it has to. So training can still turn
    it to another integer by a small step.
    """
    layers = dict(model.named_sublayers())
    for node, conv in plan.convs.items():
        name = names[node]
        if name in layers:
            above = layers.get(name.rpartition(".")[0])
            norm = above.norm if isinstance(above, FakeQuantConvNormAct) else None
            _set_weight(layers[name], norm, conv, layers[name])
            _set_bias(layers[name], norm, conv.bias)
            continue
        split = layers[name.rpartition(".")[0].removesuffix(".conv")]
        if name.endswith(".1"):
            _set_bias(split.conv, split.norm, conv.bias)
        else:
            _set_weight(split.conv, split.norm, conv, split.rows)


def _set_weight(layer: nn.Conv2D, norm: nn.BatchNorm2D | None, conv: ConvPlan, run: nn.Layer) -> None:
    """Moves the weight of a layer, of which `run` computes with its rows or all of it, until it rounds as in `conv`."""
    weight = layer.weight.numpy()
    scale = np.ones(len(weight), np.float32) if norm is None else _factor(norm)
    scaled = weight * scale.reshape(-1, 1, 1, 1)
    split = scaled.shape != conv.weight.shape
    if split:
        scaled = scaled[0].transpose(1, 0, 2)[:, :, None]
    steps = conv.weight_scales.reshape(-1, 1, 1, 1) / (1 if run.input_scales is None else run.input_scales.numpy())
    moved = np.clip(scaled / steps, conv.weight - _INSIDE, conv.weight + _INSIDE) * steps
    if split:
        moved = moved[:, :, 0].transpose(1, 0, 2)[None]
    divisor = scale.reshape(-1, 1, 1, 1)
    known = np.abs(divisor) > np.finfo(np.float32).tiny  # of a dead channel nothing is known, nor needed
    layer.weight.set_value(np.where(known, moved / np.where(known, divisor, 1), weight).astype(np.float32))


def _set_bias(layer: nn.Conv2D, norm: nn.BatchNorm2D | None, bias: np.ndarray) -> None:
    if norm is None:
        layer.bias.set_value(bias)
    else:
        norm.bias.set_value(bias + norm._mean.numpy() * _factor(norm))


def _factor(norm: nn.BatchNorm2D) -> np.ndarray:
    """The factor [O] float32 that the norm multiplies with."""
    factor: np.ndarray = norm.weight.numpy() / np.sqrt(norm._variance.numpy() + np.float32(norm._epsilon))
    return factor


def trained_plan(
    model: PicoDet, plan_rules: Rules, graph: Mapping[str, tuple[str, str]], names: Mapping[str, str]
) -> Plan:
    """Returns the plan of a graph from a model with fake quantization.

    Args:
        model: the model.
        plan_rules: those of the target.
        graph: the tensors that each convolution reads and writes, by the names of nodes.
        names: the names of their layers, by the names of nodes.
    """
    fake, layers = model.fake_quant, dict(model.named_sublayers())
    position = {name: index for index, name in enumerate(fake.layout.convs)}
    tensors: dict[str, Quantizer] = {}
    convs: dict[str, ConvPlan] = {}
    for node, (read, written) in graph.items():
        index = position.get(names[node])
        if index is None:
            continue
        conv = fake.layout.convs[names[node]]
        tensors.setdefault(read, _quantizer(fake.layout.activations[conv.input], fake.activations[conv.input]))
        if conv.output is not None:
            output = fake.layout.activations[conv.output], fake.activations[conv.output]
            tensors.setdefault(written, _quantizer(*output))
        convs[node] = _conv_plan(layers, names[node], fake.weights[index], read, written)
    return Plan(plan_rules, tensors, convs)


def _quantizer(activation: Activation, trained: FakeQuantizer) -> Quantizer:
    step = float(trained.steps.numpy()[0])
    return Quantizer(step, activation.zero_point, activation.channel_scales, activation.low < 0)


def _conv_plan(
    layers: Mapping[str, nn.Layer], name: str, quantizer: FakeQuantizer, read: str, written: str
) -> ConvPlan:
    run, weight, bias = _parts(layers, name)
    integers, steps = quantizer.integers(in_input_units(run, weight)).numpy(), quantizer.steps.numpy()
    # a channel with hardly any weights has tiny steps, but training may have moved its bias far away
    smallest = np.abs(bias.numpy()) / (LARGEST_BIAS * run.quantizers.input.steps.numpy())
    scales = np.maximum(steps, smallest).astype(np.float32)
    integers = np.rint(integers * (steps / scales).reshape(-1, 1, 1, 1)).astype(np.int8)
    return ConvPlan(read, written, integers, scales, bias.numpy())


def _parts(layers: Mapping[str, nn.Layer], name: str) -> tuple[nn.Layer, paddle.Tensor, paddle.Tensor]:
    """The layer that runs the convolution of a name, and the weight and the bias that it computes with."""
    if name in layers:
        layer, above = layers[name], layers.get(name.rpartition(".")[0])
        if isinstance(above, FakeQuantConvNormAct):
            return layer, *folded(layer, above.norm)
        return layer, layer.weight, layer.bias
    split = layers[name.rpartition(".")[0].removesuffix(".conv")]
    if name.endswith(".1"):
        return split.total, split.total.weight, folded(split.conv, split.norm)[1]
    return split.rows, *split.row_weight()
