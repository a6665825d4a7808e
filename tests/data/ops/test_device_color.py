"""Colors that the device changes: the values that the host would have written."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.data.ops import color
from ppdet.data.ops.device_color import map_colors

NORMALIZE = color.normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], True)


@pytest.mark.parametrize("distorted", [False, True])
def test_values_are_those_of_the_host(distorted: bool) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 3, 20, 12), np.uint8)
    maps = []
    for _ in images:
        first = color.compose(color.rotate_hue(0.1), color.scale_contrast(rng.uniform(0.5, 1.5)))
        maps.append(color.compose(first, NORMALIZE) if distorted else NORMALIZE)
    stacked = np.stack(maps).astype(np.float32)
    found = map_colors(paddle.to_tensor(images), paddle.to_tensor(stacked))
    assert found.dtype == paddle.float32
    exact = np.einsum("bck,bkhw->bchw", stacked[..., :3].astype(float), images.astype(float))
    exact += stacked[..., 3].astype(float)[..., None, None]
    for one, image, color_map in zip(found.numpy(), images, maps, strict=True):
        planes = np.empty((3, 20, 12), np.float32)
        color.write_mapped(np.ascontiguousarray(image.transpose(1, 2, 0)), color_map, planes)
        np.testing.assert_allclose(one, planes, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.numpy(), exact, rtol=0, atol=1e-6)
