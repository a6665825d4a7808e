"""The plan of a trained model from calibration images: balanced channels, weights whose rounding errors cancel out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ppdet.deploy.backends.base import Feed
from ppdet.quantization.balance import balanced_quantizer
from ppdet.quantization.equalize import equal_scales, equalized
from ppdet.quantization.equalized_plan import of_equalized, of_original
from ppdet.quantization.integer_gates import with_shared_scales
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan, Rules
from ppdet.quantization.rounding import rounded_plan
from ppdet.quantization.statistics import Statistics, collect


def calibrated(network: Network, feeds: Sequence[Feed], rules: Rules, threads: int) -> Plan:
    """Returns the plan of a network from calibration images.

    Args:
        network: the float model.
        feeds: the calibration images.
        rules: those of the target.
        threads: number of threads that run the model.
    """
    plan = post_training_plan(network, collect(network, feeds, threads), replace(rules, channel_quantizers=True))
    if rules.channel_quantizers:
        return plan
    even = Network.of(equalized(network, plan, rules.gate))
    of_even = plan_of_even(network, even, collect(even, feeds, threads), rules)
    return of_original(of_even, equal_scales(network, plan, rules.gate))


def plan_of_even(network: Network, even: Network, found: Statistics, rules: Rules) -> Plan:
    """Returns the plan of a network's version with channels of even size; `found`: what that does on the images."""
    plan = post_training_plan(even, found, rules)
    return plan.only(network.convs)  # without the convolutions that stand for hard swishes


def model_to_write(network: Network, plan: Plan) -> tuple[Any, Plan]:
    """Returns the float onnx.ModelProto to write in INT8, and its plan.

    It is the network's own model or, if the rules of `plan` have one scale for an activation, one with even channels.
    """
    gate = plan.rules.gate
    if plan.rules.channel_quantizers:
        return network.model, plan
    return equalized(network, plan, gate), of_equalized(plan, equal_scales(network, plan, gate))


def post_training_plan(network: Network, found: Statistics, rules: Rules) -> Plan:
    """Returns the plan that quantizes all convolutions of a network.

    Args:
        network: the float model.
        found: what it does on the calibration images.
        rules: those of the target.
    """
    convs = network.convs.values()
    names = dict.fromkeys(conv.input for conv in convs)
    if rules.outputs:
        names |= dict.fromkeys(conv.output for conv in convs)
    tensors = {}
    for name in names:
        readers = [conv for conv in convs if conv.input == name]
        # OpenVINO computes wrong values with scales per channel there if the batch size is open, and they gain nothing
        own = replace(rules, channel_quantizers=rules.channel_quantizers and name not in found.single_pixels)
        tensors[name] = balanced_quantizer(found.ranges[name], readers, found.moments, own)
    plans = {conv.name: rounded_plan(conv, tensors[conv.input], found.moments[conv.name], rules) for conv in convs}
    return with_shared_scales(Plan(rules, tensors, plans), network.model.graph)
