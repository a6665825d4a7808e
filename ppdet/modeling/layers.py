"""Building blocks of backbones, necks and heads. Feature maps are [B, C, H, W] float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import paddle
import paddle.nn.functional as F
from paddle import ParamAttr, nn
from paddle.nn.initializer import Initializer, KaimingNormal
from paddle.regularizer import L2Decay

from ppdet.core.errors import UserError

Act = Literal["hard_swish", "relu", "relu6", "leaky_relu", "swish"]
Activation = Callable[[paddle.Tensor], paddle.Tensor]

LEAKY_SLOPE = 0.01  # F.leaky_relu's default, of negative values

_ACTIVATIONS: dict[str, Activation] = {
    "hard_swish": F.hardswish,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "swish": F.swish,
}


def activation(name: str) -> Activation:
    """Returns the activation function of a published name. Raises UserError for any other name."""
    if name not in _ACTIVATIONS:
        raise UserError(f"act: unknown activation {name!r}; choose one of {', '.join(_ACTIVATIONS)}")
    return _ACTIVATIONS[name]


def make_divisible(value: float, divisor: int = 8) -> int:
    """Rounds `value` half up to a multiple of `divisor`, but never to more than 10 % below `value`."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class ConvNormAct(nn.Layer):
    """Convolution without bias, batch norm, activation (None: linear).

    `norm_decay=False` takes the norm's scale and shift out of weight decay, as the published recipes do for LCNet,
    ESNet and PicoFeat.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        act: str | None = "hard_swish",
        norm_decay: bool = True,
        weight_init: Initializer | None = None,
    ):
        super().__init__()
        self.conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=(kernel_size - 1) // 2,
            groups=groups,
            weight_attr=ParamAttr(initializer=weight_init or KaimingNormal()),
            bias_attr=False,
        )
        decay = None if norm_decay else L2Decay(0.0)
        self.norm = nn.BatchNorm2D(
            out_channels, weight_attr=ParamAttr(regularizer=decay), bias_attr=ParamAttr(regularizer=decay)
        )
        self.act = activation(act) if act else None

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.norm(self.conv(x))
        return self.act(x) if self.act else x


class DepthwiseSeparable(nn.Layer):
    """Depthwise convolution (kernel_size, stride), optional squeeze-and-excite, 1x1 convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        use_se: bool = False,
        act: str | None = "hard_swish",
        norm_decay: bool = True,
        weight_init: Initializer | None = None,
    ):
        super().__init__()
        options: dict[str, Any] = {"act": act, "norm_decay": norm_decay, "weight_init": weight_init}
        self.dw_conv = ConvNormAct(in_channels, in_channels, kernel_size, stride, groups=in_channels, **options)
        self.se = SqueezeExcite(in_channels) if use_se else None
        self.pw_conv = ConvNormAct(in_channels, out_channels, 1, **options)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.dw_conv(x)
        if self.se is not None:
            x = self.se(x)
        return self.pw_conv(x)


class SqueezeExcite(nn.Layer):
    """Channel attention: x * hardsigmoid(conv2(relu(conv1(mean of x over H and W)))).

    `slope` is that of the hardsigmoid: 0.2 in PaddleDetection's MobileNetV3, Paddle's default elsewhere.
    """

    def __init__(self, channels: int, reduction: int = 4, slope: float = 0.1666667):
        super().__init__()
        self.slope = slope
        self.conv1 = nn.Conv2D(channels, channels // reduction, 1)
        self.conv2 = nn.Conv2D(channels // reduction, channels, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        weight = F.relu(self.conv1(F.adaptive_avg_pool2d(x, 1)))
        return x * F.hardsigmoid(self.conv2(weight), slope=self.slope)


def height_width(x: paddle.Tensor) -> tuple[Any, Any]:
    """Height and width of x [B, C, H, W]: ints, or scalar tensors in a graph for images of any size."""
    height, width = x.shape[2:]
    if height > 0 and width > 0:
        return height, width
    shape = paddle.shape(x)
    return shape[2], shape[3]


def points_first(level: paddle.Tensor) -> paddle.Tensor:
    """Reshapes a feature map [B, C, h, w] to grid points [B, h * w, C]."""
    height, width = height_width(level)
    return level.reshape([-1, level.shape[1], height * width]).transpose([0, 2, 1])


def upsample_to(x: paddle.Tensor, like: paddle.Tensor) -> paddle.Tensor:
    """Nearest x2 upsampling of `x`, cut to the height and width of `like` (one less where an input size was odd).

    Reshape and expand instead of F.interpolate: the same values, but Paddle 3.3's interpolate breaks ONNX conversion
    and switches oneDNN off for the whole exported graph.
    """
    c = x.shape[1]
    h, w = height_width(x)
    x = x.reshape([-1, c, h, 1, w, 1]).expand([-1, -1, -1, 2, -1, 2]).reshape([-1, c, 2 * h, 2 * w])
    height, width = height_width(like)
    is_whole = isinstance(h, int) and (height, width) == (2 * h, 2 * w)
    return x if is_whole else x[:, :, :height, :width]
