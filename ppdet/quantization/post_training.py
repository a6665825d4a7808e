"""The plan of a trained model from calibration images: balanced channels, weights whose rounding errors cancel out."""

from __future__ import annotations

from dataclasses import replace

from ppdet.quantization.balance import balanced_quantizer
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan, Rules
from ppdet.quantization.rounding import rounded_plan
from ppdet.quantization.statistics import Statistics


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
    return Plan(rules, tensors, plans)
