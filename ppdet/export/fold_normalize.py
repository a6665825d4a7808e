"""Graphs that take pixels of 0..255 instead of normalised images."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.data.transforms.sample_transforms import NormalizeImage
from ppdet.modeling import PicoDet


def fold_normalize(model: PicoDet, normalize: NormalizeImage) -> tuple[PicoDet, np.ndarray]:
    """A copy whose first convolution takes pixels less their mean, and that mean [1, 3, 1, 1] float32.

    The division goes into the weights. The mean stays a subtraction: a convolution pads with zeros, which after it are
    pixels of the mean's colour, as in training; folded into the bias it would be wrong along the border.
    """
    model = copy.deepcopy(model)
    model.eval()
    first = next(layer for layer in model.backbone.sublayers() if isinstance(layer, nn.Conv2D))
    if first.weight.shape[1] != 3:
        raise UserError(f"export.fuse_normalize: the first convolution takes {first.weight.shape[1]} channels, not 3")
    mean, std = _in_pixels(normalize)
    first.weight.set_value((first.weight.numpy() / std).astype("float32"))
    return model, mean.astype("float32")


def normalize_step(transforms: Iterable[object]) -> NormalizeImage | None:
    """The transform that normalises, None where there is none."""
    return next((step for step in transforms if isinstance(step, NormalizeImage)), None)


def to_pixels(image: np.ndarray, normalize: NormalizeImage) -> np.ndarray:
    """The uint8 pixels that `image` [B, 3, H, W] float32 was made of by `normalize`; the nearest for other images."""
    mean, std = _in_pixels(normalize)
    return (image * std + mean).round().clip(0, 255).astype("uint8")


def normalized(pixels: np.ndarray, normalize: NormalizeImage) -> np.ndarray:
    """The inverse of `to_pixels`."""
    mean, std = _in_pixels(normalize)
    return ((pixels - mean) / std).astype("float32")


def _in_pixels(normalize: NormalizeImage) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [1, 3, 1, 1] of pixels of 0..255."""
    largest = 255.0 if normalize.is_scale else 1.0
    return np.reshape(normalize.mean, (1, 3, 1, 1)) * largest, np.reshape(normalize.std, (1, 3, 1, 1)) * largest
