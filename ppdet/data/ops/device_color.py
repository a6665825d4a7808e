"""Color maps (color.py) of a whole batch, applied on the device."""

from __future__ import annotations

import paddle


@paddle.no_grad()
def map_colors(images: paddle.Tensor, color_maps: paddle.Tensor) -> paddle.Tensor:
    """Returns the mapped images [B, 3, H, W] float32.

    One product per channel instead of a matrix product, which cards may round to 10 bits (TF32).

    Args:
        images: [B, 3, H, W] uint8, RGB.
        color_maps: [B, 3, 4] float32.
    """
    pixels = images.astype("float32").unsqueeze(1)  # [B, 1, 3, H, W]
    maps = color_maps.unsqueeze(-1).unsqueeze(-1)  # [B, 3, 4, 1, 1]
    red, green, blue, offset = maps.unbind(axis=2)
    mapped = pixels[:, :, 0] * red + pixels[:, :, 1] * green + pixels[:, :, 2] * blue
    return mapped + offset
