"""Learning rates that fall from the head to the first layers: `OptimizerBuilder.optimizer: {type: AdamWDL, …}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict

import paddle
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.core.ranges import Length, NotNegative, Positive, Range

Memory = Annotated[float, Range(0, 1, exclude="high")]  # fraction of a running mean that each step keeps
_KEY = "OptimizerBuilder.optimizer"


class _Type(TypedDict):
    type: Literal["AdamWDL"]


class AdamWDL(_Type, total=False):
    """AdamW with layer-wise rates, with the options of PaddleDetection's vision transformers and their defaults."""

    betas: Annotated[Sequence[Memory], Length(2)]
    weight_decay: NotNegative  # 0.05
    layer_decay: Annotated[float, Range(0, 1, exclude="low")]  # 0.65, from a stage of the backbone to the one before it
    num_layers: Positive  # the stages of the backbone, which are known without it
    filter_bias_and_bn: bool  # true: biases, norms and what skip_decay_names lists do not decay
    skip_decay_names: Sequence[str]  # parts of names in weight files
    set_param_lr_func: Literal["layerwise_lr_decay"]


class LayerDecay:
    """The part of AdamWDL that AdamW does not have: the rate of each layer, and which parameters decay.

    In the original the layers are the blocks of a transformer. Here they are the stages of the backbone: the rate of
    the last of n stages is multiplied by `layer_decay`, that of the first one, with the stem, by its power n. Neck and
    head keep the whole rate. Unlike the original, gradients are clipped as with other optimizers.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.factor = float(options.get("layer_decay", 0.65))
        self.num_layers = options.get("num_layers")
        self.filters = options.get("filter_bias_and_bn", True)
        self.skipped: Sequence[str] = options.get("skip_decay_names", ())
        if self.skipped and not self.filters:
            raise UserError(f"{_KEY}.skip_decay_names: only means something with {_KEY}.filter_bias_and_bn: true")

    @staticmethod
    def adamw_options(options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of AdamW that are among those of AdamWDL."""
        beta1, beta2 = options.get("betas", (0.9, 0.999))
        return {"beta1": beta1, "beta2": beta2, "weight_decay": options.get("weight_decay", 0.05)}

    def scale_rates(self, stages: Sequence[Sequence[nn.Layer]]) -> None:
        """Multiplies the rates of the parameters in the backbone's stages, first one first.

        Raises:
            UserError: the config counts other stages.
        """
        count = len(stages)
        if self.num_layers not in (None, count):
            found = f"{_KEY}.num_layers: found {self.num_layers}; expected {count}, the stages of this backbone"
            raise UserError(f"{found}; set it so, or leave it out")
        for index, stage in enumerate(stages):
            for parameter in (each for layer in stage for each in layer.parameters()):
                parameter.optimize_attr["learning_rate"] *= self.factor ** (count - index)

    def decayed(self, parameters: Mapping[str, paddle.Tensor]) -> set[str]:
        """Paddle's names of those of `parameters`, given by their names in weight files, that decay."""
        return {parameter.name for name, parameter in parameters.items() if self._decays(name, parameter)}

    def _decays(self, name: str, parameter: paddle.Tensor) -> bool:
        left_out = parameter.ndim == 1 or name.endswith(".bias") or any(part in name for part in self.skipped)
        return not (self.filters and left_out)
