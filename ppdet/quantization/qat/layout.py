"""Translates between a plan, which belongs to a graph, and the layout of a detector with fake quantization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from paddle import nn

from ppdet.modeling import PicoDet
from ppdet.modeling.fake_quant import Activation, Int8Conv, Int8Layout
from ppdet.modeling.fake_quant.layers import FakeQuantConvNormAct, FakeQuantizer, folded
from ppdet.quantization.plan import ConvPlan, Plan, Quantizer, Rules

_INSIDE = 0.49  # of a step: the distance from an integer that certainly rounds to it


def layout_of(plan: Plan, names: Mapping[str, str], target: str) -> Int8Layout:
    """Returns the layout of a plan; `names` are those of layers by the names of nodes."""
    indices = {tensor: index for index, tensor in enumerate(plan.tensors)}
    activations = tuple(
        Activation(each.scale, each.zero_point, each.channel_scales, *each.limits) for each in plan.tensors.values()
    )
    convs = {
        names[name]: Int8Conv(
            indices[conv.input], indices.get(conv.output) if plan.rules.outputs else None, conv.weight_scales
        )
        for name, conv in plan.convs.items()
    }
    return Int8Layout(target, activations, convs)


def set_weights(model: PicoDet, plan: Plan, names: Mapping[str, str]) -> None:
    """Gives the convolutions of a model with fake quantization the integers and biases of a plan, in place.

    A weight that rounds to its integer stays; another one moves only as far as it has to. So training can still turn
    it to another integer by a small step.
    """
    layers = dict(model.named_sublayers())
    for node, conv in plan.convs.items():
        layer = layers[names[node]]
        above = layers.get(names[node].rpartition(".")[0])
        weight, bias = layer.weight, layer.bias
        scale, shift = np.ones(len(conv.bias), np.float32), np.zeros(len(conv.bias), np.float32)
        if isinstance(above, FakeQuantConvNormAct):
            norm = above.norm
            scale = norm.weight.numpy() / np.sqrt(norm._variance.numpy() + np.float32(norm._epsilon))
            bias, shift = norm.bias, -norm._mean.numpy() * scale
        scales = layer.quantizers.input_scales
        units = conv.weight_scales.reshape(-1, 1, 1, 1) / (1 if scales is None else scales.numpy())
        factor = scale.reshape(-1, 1, 1, 1) / units  # integers per unit of the layer's own weight
        safe = np.where(np.abs(factor) > 1e-20, factor, 1)
        steps = np.clip(weight.numpy() * safe, conv.weight - _INSIDE, conv.weight + _INSIDE)
        weight.set_value(np.where(safe == factor, steps / safe, weight.numpy()).astype(np.float32))
        bias.set_value((conv.bias - shift).astype(np.float32))


def trained_plan(model: PicoDet, plan_rules: Rules, graph: Mapping[str, tuple[str, str]], names: Mapping[str, str]) -> Plan:
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
    layer, above = layers[name], layers.get(name.rpartition(".")[0])
    weight, bias = folded(layer, above.norm) if isinstance(above, FakeQuantConvNormAct) else (layer.weight, layer.bias)
    scales = layer.quantizers.input_scales
    rounded = quantizer(weight if scales is None else weight * scales).numpy()
    steps = quantizer.steps.numpy()
    integers = np.rint(rounded / steps.reshape(-1, 1, 1, 1)).astype(np.int8)
    return ConvPlan(read, written, integers, steps, bias.numpy())
