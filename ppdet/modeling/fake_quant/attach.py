"""Makes a detector compute as its INT8 version does."""

from __future__ import annotations

import numpy as np
from paddle import nn
from paddle.utils import unique_name

from ppdet.core.errors import UserError
from ppdet.modeling.fake_quant.layers import (
    WEIGHT_LIMIT,
    FakeQuantConv,
    FakeQuantConvNormAct,
    FakeQuantSplitConvNormAct,
    Quantizers,
    SplitPart,
)
from ppdet.modeling.fake_quant.layout import Activation, Int8Conv, Int8Layout
from ppdet.modeling.fake_quant.quantizer import PADDLE_KERNELS, FakeQuantizer, Kernels, keep_constant
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

    def give(self, layer: nn.Layer, conv: Int8Conv, weight: FakeQuantizer, shape: list[int]) -> None:
        """Gives a layer, with a weight of this shape, the quantizers of its convolution."""
        output = None if conv.output is None else self.activations[conv.output]
        gate = None if conv.gate is None else self.activations[conv.gate]
        layer.quantizers = Quantizers(self.activations[conv.input], weight, output, gate)
        scales = self.layout.activations[conv.input].channel_scales
        keep_constant(layer, "input_scales", in_weight_order(scales, shape))


def _of_activation(of: Activation, kernels: Kernels) -> FakeQuantizer:
    limits = of.low - of.zero_point, of.high - of.zero_point
    return FakeQuantizer(np.array([of.step]), *limits, of.channel_scales, kernels, of.trained)


def in_weight_order(channel_scales: np.ndarray, weight_shape: list[int]) -> np.ndarray:
    """Returns channel scales [C] of a convolution's input as factors [1 or O, C / groups, 1, 1] of its weight."""
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
    splits = _split_layers(layout, layers)
    for name, conv in layout.convs.items():
        _check(name, conv, layout, splits.get(name) or layers.get(name))
    with unique_name.guard("fake_quant_"):  # names that no other parameter has, the same in every process
        model.fake_quant = FakeQuantizers(layout, kernels)
    for (name, of), weight in zip(layout.convs.items(), model.fake_quant.weights, strict=True):
        conv = _split_part(splits[name], of) if name in splits else _changed(layers, name, kernels)
        shape = conv.weight.shape if name not in splits or of.constant is not None else _row_shape(splits[name].conv)
        model.fake_quant.give(conv, of, weight, shape)
    for layer in layers.values():
        if isinstance(layer, nn.BatchNorm2D):
            layer._use_global_stats = True


def _changed(layers: dict[str, nn.Layer], name: str, kernels: Kernels) -> nn.Conv2D:
    """The convolution of a name, of which the layer that runs it now computes in INT8."""
    conv, above = layers[name], layers.get(name.rpartition(".")[0])
    owner = above if isinstance(above, ConvNormAct) else conv
    owner.__class__ = FakeQuantConv if owner is conv else FakeQuantConvNormAct
    owner.kernels = kernels
    return conv


def _split_layers(layout: Int8Layout, layers: dict[str, nn.Layer]) -> dict[str, ConvNormAct]:
    """The ConvNormActs whose convolutions are split in the layout, by the names of the two parts, as `….conv.0`."""
    found = {
        name: layers.get(name.removesuffix(".0").removesuffix(".1").removesuffix(".conv")) for name in layout.convs
    }
    return {name: layer for name, layer in found.items() if name not in layers and isinstance(layer, ConvNormAct)}


def _split_part(layer: ConvNormAct, of: Int8Conv) -> SplitPart:
    """The part of a split convolution, of which the layer now consists: `total` if its weight is constant."""
    layer.__class__ = FakeQuantSplitConvNormAct
    pad = layer.conv._kernel_size[0] // 2
    if of.constant is None:
        part = layer.rows = SplitPart((0, pad), None)
    else:
        part = layer.total = SplitPart((pad, 0), of.constant)
    return part


def _row_shape(conv: nn.Conv2D) -> list[int]:
    side = conv._kernel_size[0]
    return [side, conv._in_channels, 1, side]


def _check(name: str, conv: Int8Conv, layout: Int8Layout, layer: nn.Layer | None) -> None:
    channels = len(layout.activations[conv.input].channel_scales)
    found: list[int] | None
    if isinstance(layer, ConvNormAct):  # a split one
        found = _row_shape(layer.conv) if conv.constant is None else [*conv.constant.shape]
    else:
        found = layer.weight.shape if isinstance(layer, nn.Conv2D) else None
    if found is None or len(conv.weight_steps) != found[0] or channels % found[1]:
        expected = f"{len(conv.weight_steps)} filters for {channels} channels"
        have = "no such layer" if found is None else f"weights {list(found)}"
        raise UserError(f"QAT: the quantization is that of another model: {name} has {expected} there, {have} here")


def has_fake_quant(model: PicoDet) -> bool:
    """Whether `attach_fake_quant` has changed the model."""
    return isinstance(getattr(model, "fake_quant", None), FakeQuantizers)
