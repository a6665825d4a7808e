"""Backbones in evaluation, computed from published state dicts: each reads its weights by their published names.

`Weights` counts what was read, so that a test sees names that are missing and names that nothing reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Activation = Callable[[np.ndarray], np.ndarray]


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def hard_swish(x: np.ndarray) -> np.ndarray:
    return x * np.clip(x + 3, 0, 6) / 6


def leaky_relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.01 * x)


def linear(x: np.ndarray) -> np.ndarray:
    return x


class Weights:
    """The entries of a state dict under a prefix, and the names that were read."""

    def __init__(self, entries: Mapping[str, np.ndarray], prefix: str = "", read: set[str] | None = None):
        self.entries, self.prefix, self.read = entries, prefix, set() if read is None else read

    def __getitem__(self, name: str) -> np.ndarray:
        self.read.add(self.prefix + name)
        return self.entries[self.prefix + name]

    def __contains__(self, name: str) -> bool:
        return any(each.startswith(f"{self.prefix}{name}.") for each in self.entries)

    def at(self, name: str) -> Weights:
        return Weights(self.entries, f"{self.prefix}{name}.", self.read)


def windows(x: np.ndarray, kernel: int, stride: int, border: float = 0.0) -> np.ndarray:
    """[N, C, H, W] -> [N, C, h, w, kernel, kernel], the surroundings of each output pixel."""
    pad = (kernel - 1) // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=border)
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def convolution(x: np.ndarray, weight: np.ndarray, stride: int = 1) -> np.ndarray:
    """With as many groups as the weight [out, in / groups, k, k] asks for: 1, or one for each channel."""
    seen = windows(x, weight.shape[2], stride)
    if weight.shape[1] == x.shape[1]:
        return np.einsum("nchwij,ocij->nohw", seen, weight, optimize=True)
    return np.einsum("nchwij,cij->nchw", seen, weight[:, 0], optimize=True)


def conv_norm(
    x: np.ndarray, weights: Weights, act: Activation, stride: int = 1, names: str = "conv norm"
) -> np.ndarray:
    conv, norm = names.split()
    x = convolution(x, weights.at(conv)["weight"], stride)
    scale, shift, mean, variance = (weights.at(norm)[name] for name in ("weight", "bias", "_mean", "_variance"))
    scaled = (x.transpose(0, 2, 3, 1) - mean) / np.sqrt(variance + 1e-5) * scale + shift
    return act(scaled.transpose(0, 3, 1, 2))


def max_pool(x: np.ndarray) -> np.ndarray:
    return windows(x, 3, 2, -np.inf).max(axis=(4, 5))


def mobilenet_v3(image: np.ndarray, weights: Weights, strides: str, acts: str) -> list[np.ndarray]:
    """The outputs of all blocks. `strides` has a digit for each block, `acts` r (relu) or h (hard_swish)."""
    names = "conv bn"
    x = conv_norm(image, weights.at("conv1"), hard_swish, 2, names)
    outputs = []
    for number, (stride, letter) in enumerate(zip(strides, acts, strict=True), start=2):
        block, act = weights.at(f"conv{number}"), relu if letter == "r" else hard_swish
        y = conv_norm(x, block.at("expand_conv"), act, names=names)
        y = conv_norm(y, block.at("bottleneck_conv"), act, int(stride), names)
        if "mid_se" in block:
            first, second = block.at("mid_se").at("conv1"), block.at("mid_se").at("conv2")
            gate = relu(first["weight"][:, :, 0, 0] @ y.mean(axis=(2, 3)).T + first["bias"][:, None])
            gate = second["weight"][:, :, 0, 0] @ gate + second["bias"][:, None]
            y = y * np.clip(0.2 * gate.T + 0.5, 0, 1)[:, :, None, None]
        y = conv_norm(y, block.at("linear_conv"), linear, names=names)
        x = x + y if x.shape == y.shape else y
        outputs.append(x)
    return outputs


def resnet(image: np.ndarray, weights: Weights, blocks: dict[str, str], variant: str) -> list[np.ndarray]:
    """The outputs of the stages; `blocks` has the names of the blocks of each stage, with spaces between them."""
    x = image
    for name, stride in (("conv1_1", 2), ("conv1_2", 1), ("conv1_3", 1)) if variant in "cd" else (("conv1", 2),):
        x = conv_norm(x, weights.at("conv1").at(name), relu, stride)
    x, outputs = max_pool(x), []
    for stage, names in blocks.items():
        for name in names.split():
            block = weights.at(stage).at(name)
            stride = 2 if name == names.split()[0] and stage != "res2" else 1
            is_bottleneck = "branch2c" in block
            first, second = (1, stride) if is_bottleneck and variant != "a" else (stride, 1)
            y = conv_norm(x, block.at("branch2a"), relu, first)
            y = conv_norm(y, block.at("branch2b"), relu if is_bottleneck else linear, second)
            y = conv_norm(y, block.at("branch2c"), linear) if is_bottleneck else y
            if "short" in block and variant == "d" and stride == 2:
                pooled = (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4
                x = conv_norm(pooled, block.at("short").at("conv"), linear)
            elif "short" in block:
                x = conv_norm(x, block.at("short"), linear, stride)
            x = relu(x + y)
        outputs.append(x)
    return outputs


def shufflenet_v2(image: np.ndarray, weights: Weights, act: Activation) -> list[np.ndarray]:
    """The outputs of all blocks."""
    names = "_conv _batch_norm"

    def conv(x: np.ndarray, block: Weights, name: str, act: Activation, stride: int = 1) -> np.ndarray:
        return conv_norm(x, block.at(name), act, stride, names)

    x, outputs = max_pool(conv(image, weights, "_conv1", act, 2)), []
    for stage, depth in ((2, 4), (3, 8), (4, 4)):
        for number in range(1, depth + 1):
            block = weights.at(f"{stage}_{number}")
            if number == 1:
                left = conv(conv(x, block, "_conv_dw_1", linear, 2), block, "_conv_linear_1", act)
                right = conv(conv(x, block, "_conv_pw_2", act), block, "_conv_dw_2", linear, 2)
                right = conv(right, block, "_conv_linear_2", act)
            else:
                left, right = np.split(x, 2, axis=1)
                right = conv(conv(right, block, "_conv_pw", act), block, "_conv_dw", linear)
                right = conv(right, block, "_conv_linear", act)
            x = np.empty((len(left), 2 * left.shape[1], *left.shape[2:]), left.dtype)
            x[:, ::2], x[:, 1::2] = left, right
            outputs.append(x)
    return outputs
