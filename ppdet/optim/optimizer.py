"""The optimizer that the section `OptimizerBuilder` of a config describes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

import paddle
from paddle import nn
from paddle.regularizer import L1Decay, L2Decay

from ppdet.core.errors import UserError
from ppdet.core.ranges import AboveZero, NotNegative
from ppdet.core.registry import register
from ppdet.optim.layer_decay import AdamWDL, LayerDecay, Memory
from ppdet.optim.param_groups import ParamGroup, apply_groups

logger = logging.getLogger(__name__)

_ADAMW_DECAY = 0.01  # Paddle's default
_REGULARIZERS = {"L1": L1Decay, "L2": L2Decay}


class _Options(TypedDict, total=False):
    param_groups: Sequence[ParamGroup]


class _SGD(_Options, total=False):
    type: Literal["SGD"]
    multi_precision: bool


class _Momentum(_Options, total=False):
    type: Literal["Momentum"]
    momentum: Memory
    use_nesterov: bool
    rescale_grad: AboveZero
    multi_precision: bool
    use_multi_tensor: bool


class _Adam(_Options, total=False):
    type: Literal["Adam"]
    beta1: Memory
    beta2: Memory
    epsilon: AboveZero
    lazy_mode: bool
    multi_precision: bool
    use_multi_tensor: bool


class _AdamW(_Options, total=False):
    type: Literal["AdamW"]
    beta1: Memory
    beta2: Memory
    epsilon: AboveZero
    weight_decay: NotNegative
    lazy_mode: bool
    multi_precision: bool


class _Adamax(_Options, total=False):
    type: Literal["Adamax"]
    beta1: Memory
    beta2: Memory
    epsilon: AboveZero


class _Adagrad(_Options, total=False):
    type: Literal["Adagrad"]
    epsilon: AboveZero
    initial_accumulator_value: NotNegative


class _Adadelta(_Options, total=False):
    type: Literal["Adadelta"]
    epsilon: AboveZero
    rho: Memory


class _RMSProp(_Options, total=False):
    type: Literal["RMSProp"]
    rho: Memory
    epsilon: AboveZero
    momentum: Memory
    centered: bool


class _Regularizer(TypedDict):
    type: Literal["L1", "L2"]
    factor: NotNegative


@register
class OptimizerBuilder:
    """Builds an optimizer from `{type: Momentum, …}` and a regularizer `{type: L2, factor: …}`.

    Parameters may have regularizers of their own. AdamW decays the weights itself, by its `weight_decay`, except for
    the norms that have a decay of 0. AdamWDL is AdamW with a rate that falls by `layer_decay` from each stage of the
    backbone to the one before it.

    Args:
        optimizer: the type of the optimizer, and its options. Its param_groups are lists of patterns (`params`) that
            are found in parameters' names in weight files, such as a part of a name. Their learning rate is multiplied
            by `learning_rate`, and their decay is `weight_decay`.
        regularizer: decay of all weights, by type and factor; false or null for none.
        clip_grad_by_norm: largest norm of all gradients together; null does not clip.
        clip_grad_by_value: largest absolute value of a gradient; null does not clip.
    """

    def __init__(
        self,
        optimizer: _SGD | _Momentum | _Adam | _AdamW | AdamWDL | _Adamax | _Adagrad | _Adadelta | _RMSProp,
        regularizer: _Regularizer | Literal[False, "None"] | None = None,
        clip_grad_by_norm: AboveZero | None = None,
        clip_grad_by_value: AboveZero | None = None,
    ):
        if clip_grad_by_norm is not None and clip_grad_by_value is not None:
            raise UserError("OptimizerBuilder.clip_grad_by_value: clip_grad_by_norm is set as well; set one to null")
        # null removes an option that a base config set
        options: dict[str, Any] = {key: value for key, value in optimizer.items() if value is not None}
        name = options.pop("type")
        self.layer_decay = LayerDecay(options) if name == "AdamWDL" else None
        if self.layer_decay:
            name, options = "AdamW", LayerDecay.adamw_options(options)
        self.type = getattr(paddle.optimizer, name)
        self.param_groups: Sequence[ParamGroup] = options.pop("param_groups", ())
        self.options = options
        self.regularizer = regularizer if isinstance(regularizer, dict) else None
        self.clip_grad_by_norm, self.clip_grad_by_value = clip_grad_by_norm, clip_grad_by_value

    def __call__(
        self,
        learning_rate: float,
        model: nn.Layer,
        known_as: Callable[[str], str] = str,
        others: Sequence[paddle.Tensor] = (),
    ) -> paddle.optimizer.Optimizer:
        """Returns an optimizer for the model's trainable parameters. The caller sets the learning rate of each step.

        Args:
            learning_rate: the rate of the first step.
            model: the model, whose parameters are given the rates and decays of `param_groups`.
            known_as: the name by which `param_groups` know the parameter of a name.
            others: parameters outside the model, which no group knows.
        """
        known = {known_as(name): parameter for name, parameter in model.named_parameters()}
        decays = apply_groups(self.param_groups, known, decoupled=self._is_adamw)
        if self.layer_decay:
            self.layer_decay.scale_rates(model.backbone.stages())
        parameters = [p for p in (*model.parameters(), *others) if not p.stop_gradient]
        return self.type(
            learning_rate=float(learning_rate),
            parameters=self._by_decay(parameters, decays) if decays and self._is_adamw else parameters,
            grad_clip=self._clip(),
            **self._defaults(parameters, known | {each.name: each for each in others}),
            **self.options,
        )

    @property
    def _is_adamw(self) -> bool:
        return bool(self.type is paddle.optimizer.AdamW)

    def _by_decay(self, parameters: list[paddle.Tensor], decays: dict[str, float]) -> list[dict[str, Any]]:
        """Groups of parameters for AdamW, whose decay is that of a group; `decays` by the name of the parameter."""
        groups: dict[tuple[float | None, float], list[paddle.Tensor]] = {}
        for parameter in parameters:
            key = decays.get(parameter.name), parameter.optimize_attr["learning_rate"]
            groups.setdefault(key, []).append(parameter)
        return [
            {"params": members, "learning_rate": rate} | ({} if decay is None else {"weight_decay": decay})
            for (decay, rate), members in groups.items()
        ]

    def _defaults(self, parameters: list[paddle.Tensor], known: Mapping[str, paddle.Tensor]) -> dict[str, Any]:
        """Arguments of the optimizer that no config sets; `known` has all parameters, the model's by published name."""
        if self._is_adamw:
            default = {} if "weight_decay" in self.options else {"weight_decay": _ADAMW_DECAY}
            if self.regularizer:
                used = self.options.get("weight_decay", _ADAMW_DECAY)
                logger.warning("OptimizerBuilder.regularizer: not used; AdamW decays by its weight_decay, %g", used)
            without_own = {parameter.name for parameter in parameters if parameter.regularizer is None}
            decayed = self.layer_decay.decayed(known) if self.layer_decay else without_own
            return default | {"apply_decay_param_fun": decayed.__contains__}
        regularizer = self.regularizer
        decay = _REGULARIZERS[regularizer["type"]](regularizer["factor"]) if regularizer else None
        # one launch for all parameters
        together = self.type is paddle.optimizer.Momentum and "use_multi_tensor" not in self.options
        return {"weight_decay": decay} | ({"use_multi_tensor": True} if together else {})

    def _clip(self) -> Any:
        if self.clip_grad_by_norm is not None:
            return nn.ClipGradByGlobalNorm(self.clip_grad_by_norm)
        return None if self.clip_grad_by_value is None else nn.ClipGradByValue(self.clip_grad_by_value)
