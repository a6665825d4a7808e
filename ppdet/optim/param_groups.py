"""Learning rates and weight decays of groups of parameters, from `OptimizerBuilder.optimizer.param_groups`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypedDict

import paddle
from paddle.regularizer import L2Decay

from ppdet.core.errors import UserError
from ppdet.core.ranges import NotNegative

_KEY = "OptimizerBuilder.optimizer.param_groups"


class _Members(TypedDict):
    params: Sequence[str]


class ParamGroup(_Members, total=False):
    """Parameters in whose names one of the patterns `params` is found, with what is different for them."""

    learning_rate: NotNegative  # factor of the learning rate, in place of that of lr_mult_list
    weight_decay: NotNegative  # in place of all other decays


def apply_groups(
    groups: Sequence[ParamGroup], parameters: Mapping[str, paddle.Tensor], decoupled: bool
) -> dict[str, float]:
    """Gives the parameters the factors and decays of their groups.

    Args:
        groups: the groups.
        parameters: all parameters of the model by the names that groups know.
        decoupled: the optimizer takes decays from the result, and none may come from the parameters' regularizers.

    Returns:
        The decays that groups set, by Paddle's names of the parameters (`Tensor.name`).

    Raises:
        UserError: a group has no parameter, or a parameter has two groups.
    """
    group_of: dict[str, int] = {}
    decays = {}
    for index, group in enumerate(groups):
        members = [name for name in parameters if any(_found(each, name, index) for each in group["params"])]
        if not members:
            known = ", ".join(sorted({name.partition(".")[0] for name in parameters}))
            found = f"{_KEY}.{index}.params: no parameter's name contains {' or '.join(group['params']) or 'nothing'}"
            raise UserError(f"{found}; expected parts of names, which begin with {known}")
        for name in members:
            if name in group_of:
                raise UserError(f"{_KEY}.{index}.params: {name} is in group {group_of[name]} as well; name it in one")
            group_of[name], parameter = index, parameters[name]
            if (rate := group.get("learning_rate")) is not None:
                parameter.optimize_attr["learning_rate"] = float(rate)
            if (decay := group.get("weight_decay")) is not None:
                parameter.regularizer = None if decoupled else L2Decay(float(decay))
                decays[parameter.name] = float(decay)
    return decays


def _found(pattern: str, name: str, index: int) -> bool:
    """Returns whether the regular expression `pattern` of group `index` is found in `name`."""
    try:
        return re.search(pattern, name) is not None
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(f"{_KEY}.{index}.params: {pattern!r} is no regular expression ({error}); correct it") from error
