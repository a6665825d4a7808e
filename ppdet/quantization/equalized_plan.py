"""The same integers for the float model and for its version with channels of even size (`equalize.py`).

The plan of the float model has channel scales where that of the other model has none, since its values are smaller by
them. `scales` are those of `equal_scales`, by tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ppdet.core.errors import UserError
from ppdet.quantization.plan import Plan


def of_original(plan: Plan, scales: Mapping[str, np.ndarray]) -> Plan:
    """Returns the plan of the float model that has the integers of `plan`, of the model with even channels."""
    return _in_units(plan, scales, np.multiply, scales)


def of_equalized(plan: Plan, scales: Mapping[str, np.ndarray]) -> Plan:
    """Returns the plan of the model with even channels that has the integers of `plan`, of the float model.

    Raises:
        UserError: the plan has other channel scales.
    """
    uneven = next((name for name, each in plan.tensors.items() if (each.channel_scales != scales[name]).any()), None)
    if uneven is not None:
        raise UserError(
            f"export.fuse_normalize: found true, but with one scale for {uneven} its channels cannot be divided by "
            "the standard deviation in INT8; set it to false"
        )
    even = {name: np.ones_like(each.channel_scales) for name, each in plan.tensors.items()}
    return _in_units(plan, even, np.divide, scales)


def _in_units(
    plan: Plan, channel_scales: Mapping[str, np.ndarray], change: np.ufunc, scales: Mapping[str, np.ndarray]
) -> Plan:
    """The plan with other channel scales, and what convolutions write changed by those of the same tensor."""
    tensors = {name: replace(each, channel_scales=channel_scales[name]) for name, each in plan.tensors.items()}
    convs = {
        name: replace(
            conv,
            weight_scales=change(conv.weight_scales, scales[conv.output]),
            bias=change(conv.bias, scales[conv.output]),
        )
        for name, conv in plan.convs.items()
    }
    return replace(plan, tensors=tensors, convs=convs)
