"""Makes a detector compute as its INT8 version does."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.modeling.fake_quant.layers import (
    PADDLE_KERNELS,
    WEIGHT_LIMIT,
    FakeQuantConv,
    FakeQuantConvNormAct,
    FakeQuantizer,
    Kernels,
    Quantizers,
)
from ppdet.modeling.fake_quant.layout import Activation, Int8Conv, Int8Layout
from ppdet.modeling.layers import ConvNormAct
from ppdet.modeling.picodet import PicoDet


class FakeQuantizers(nn.Layer):
    """The quantizers of a network: of its activations, which convolutions share, and of its weights."""

    def __init__(self, layout: Int8Layout, kernels: Kernels) -> None:
        super().__init__()
        self.layout = layout
        self.activations = nn.LayerList([_of_activation(each, kernels) for each in layout.activations])
        limits = (-WEIGHT_LIMIT, WEIGHT_LIMIT)
        self.weights = nn.LayerList([FakeQuantizer(conv.weight_steps, *limits) for conv in layout.convs.values()])

    def of_conv(self, index: int, weight_shape: list[int]) -> Quantizers:
        """The quantizers of the convolution at `index` of the layout, with a weight [O, C / groups, kh, kw]."""
        conv: Int8Conv = [*self.layout.convs.values()][index]
        output = None if conv.output is None else self.activations[conv.output]
        scales = in_weight_order(self.layout.activations[conv.input].channel_scales, weight_shape)
        known = None if np.all(scales == 1) else paddle.to_tensor(scales)
        return Quantizers(self.activations[conv.input], self.weights[index], output, known)


def _of_activation(of: Activation, kernels: Kernels) -> FakeQuantizer:
    limits = of.low - of.zero_point, of.high - of.zero_point
    return FakeQuantizer(np.array([of.step]), *limits, of.channel_scales, kernels)


def in_weight_order(channel_scales: np.ndarray, weight_shape: list[int]) -> np.ndarray:
    """Returns channel scales [C] of a convolution's input as [1 or O, C / groups, 1, 1], to multiply its weight with."""
    outputs, per_group = weight_shape[:2]
    groups = len(channel_scales) // per_group
    of_groups = np.asarray(channel_scales, np.float32).reshape(groups, per_group)
    return np.repeat(of_groups, outputs // groups if groups > 1 else 1, axis=0)[:, :, None, None]


def attach_fake_quant(model: PicoDet, layout: Int8Layout, kernels: Kernels = PADDLE_KERNELS) -> None:
    """Makes the convolutions of `layout` compute as in INT8, in place; their parameters and names stay.

    The statistics of all norms stay as they are from here on. The model gets a part `fake_quant`.

    Args:
        model: the detector.
        layout: its quantization.
        kernels: used in training; evaluation uses Paddle's operators.

    Raises:
        UserError: the layout is that of another model.
    """
    layers = dict(model.named_sublayers())
    for name, conv in layout.convs.items():
        _check(name, conv, layout, layers.get(name))
    model.fake_quant = FakeQuantizers(layout, kernels)
    for index, name in enumerate(layout.convs):
        conv, above = layers[name], layers.get(name.rpartition(".")[0])
        conv.quantizers = model.fake_quant.of_conv(index, conv.weight.shape)
        owner = above if isinstance(above, ConvNormAct) else conv
        owner.__class__ = FakeQuantConv if owner is conv else FakeQuantConvNormAct
        owner.kernels = kernels
    for layer in layers.values():
        if isinstance(layer, nn.BatchNorm2D):
            layer._use_global_stats = True


def _check(name: str, conv: Int8Conv, layout: Int8Layout, layer: nn.Layer | None) -> None:
    found = layer.weight.shape if isinstance(layer, nn.Conv2D) else None
    channels = len(layout.activations[conv.input].channel_scales)
    if found is None or len(conv.weight_steps) != found[0] or channels % found[1]:
        expected = f"{len(conv.weight_steps)} filters for {channels} channels"
        have = "no such layer" if found is None else f"weights {list(found)}"
        raise UserError(f"QAT: the quantization is that of another model: {name} has {expected} there, {have} here")


def has_fake_quant(model: PicoDet) -> bool:
    """Whether `attach_fake_quant` has changed the model."""
    return isinstance(getattr(model, "fake_quant", None), FakeQuantizers)
