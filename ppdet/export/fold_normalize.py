"""Networks that take pixels of 0..255 instead of normalized images."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.data.transforms.sample_transforms import NormalizeImage
from ppdet.modeling import PicoDet


def fold_normalize(model: PicoDet, normalize: NormalizeImage) -> tuple[PicoDet, np.ndarray]:
    """Returns a copy whose first convolution takes pixels minus their mean, and that mean [1, 3, 1, 1] float32.

    The division goes into the weights. The mean stays a subtraction, because the convolution pads with zeros: after
    the subtraction they stand for pixels of the mean color, as in training. A mean folded into the bias would be wrong
    along the border.
    """
    model = copy.deepcopy(model)
    model.eval()
    first = next(layer for layer in model.backbone.sublayers() if isinstance(layer, nn.Conv2D))
    if first.weight.shape[1] != 3:
        raise UserError(f"export.fuse_normalize: the first convolution takes {first.weight.shape[1]} channels, not 3")
    mean, std = _in_pixels(normalize)
    first.weight.set_value((first.weight.numpy() / std).astype("float32"))
    return model, mean.astype("float32")


def pixel_std(normalize: NormalizeImage) -> np.ndarray:
    """Returns the divisors [3] float32 of the color channels of pixels of 0..255."""
    std: np.ndarray = _in_pixels(normalize)[1].reshape(3).astype("float32")
    return std


def normalize_step(transforms: Iterable[object]) -> NormalizeImage | None:
    """Returns the transform that normalizes, or None."""
    return next((step for step in transforms if isinstance(step, NormalizeImage)), None)


def to_pixels(image: np.ndarray, normalize: NormalizeImage) -> np.ndarray:
    """Returns the uint8 pixels that `normalize` made `image` [B, 3, H, W] float32 from, or the nearest ones."""
    mean, std = _in_pixels(normalize)
    pixels: np.ndarray = (image * std + mean).round().clip(0, 255).astype("uint8")
    return pixels


def normalized(pixels: np.ndarray, normalize: NormalizeImage) -> np.ndarray:
    """Returns pixels [B, 3, H, W] as a normalized image, float32: the inverse of `to_pixels`."""
    mean, std = _in_pixels(normalize)
    image: np.ndarray = ((pixels - mean) / std).astype("float32")
    return image


def _in_pixels(normalize: NormalizeImage) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation [1, 3, 1, 1] for pixels of 0..255."""
    largest = 255.0 if normalize.is_scale else 1.0
    return np.reshape(normalize.mean, (1, 3, 1, 1)) * largest, np.reshape(normalize.std, (1, 3, 1, 1)) * largest
