"""Base class of the backbones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import paddle
from paddle import nn

from ppdet.core.ranges import Length, Range

RateFactors = Annotated[Sequence[Annotated[float, Range(0, 100)]], Length(1, 100)]  # of the learning rate, by stage


class Backbone(nn.Layer):
    """Image [B, 3, H, W] -> features [B, out_channels[i], H / out_strides[i], W / out_strides[i]], finest first."""

    out_channels: list[int]
    out_strides: list[int]

    def stages(self) -> list[list[nn.Layer]]:
        """The layers in stages, in the order of the forward pass; the first stage has the stem."""
        raise NotImplementedError

    def restrict_training(self, freeze_at: int, freeze_norm: bool, lr_mult_list: Sequence[float]) -> None:
        """Freezes stages and norms, and gives each stage its own share of the learning rate.

        Nothing before the first trained layer takes part in the backward pass. As in PaddleDetection, the norms of
        frozen stages still use the statistics of the batch, unless `freeze_norm` is given as well.

        Args:
            freeze_at: index of the last frozen stage; -1 for none.
            freeze_norm: all norms normalize with their running statistics, and nothing of them changes.
            lr_mult_list: factor of the learning rate of each stage; the last one is for all further stages.
        """
        stages = self.stages()
        for index, stage in enumerate(stages if lr_mult_list else ()):
            scale_learning_rate(stage, lr_mult_list[min(index, len(lr_mult_list) - 1)])
        freeze(layer for stage in stages[: freeze_at + 1] for layer in stage)
        for norm in self.sublayers() if freeze_norm else ():
            if isinstance(norm, nn.BatchNorm2D):
                norm._use_global_stats = True
                norm.weight.stop_gradient = norm.bias.stop_gradient = True


def freeze(layers: Iterable[nn.Layer]) -> None:
    """Leaves the parameters of `layers` out of training."""
    for parameter in _parameters(layers):
        parameter.stop_gradient = True


def scale_learning_rate(layers: Sequence[nn.Layer], factor: float) -> None:
    """Makes optimizers train all parameters of `layers` with the learning rate times `factor`."""
    for parameter in _parameters(layers):
        parameter.optimize_attr["learning_rate"] = factor


def _parameters(layers: Iterable[nn.Layer]) -> Iterator[paddle.Tensor]:
    for layer in layers:
        yield from layer.parameters()
