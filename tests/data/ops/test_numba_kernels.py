"""The compiled loops against plain Python."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ppdet.data import ops
from ppdet.data.transforms.random_crop import RandomCrop

kernels = pytest.importorskip("ppdet.data.ops.numba_kernels", reason="numba is not installed")
RNG = np.random.default_rng(0)


def test_they_are_loaded_if_numba_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ops.load_numba_kernels() is kernels
    monkeypatch.setattr(ops, "optional_module", ops.optional_module.__wrapped__)  # without its cache
    monkeypatch.setitem(sys.modules, "ppdet.data.ops.numba_kernels", None)
    assert ops.load_numba_kernels() is None


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_map_planes(dtype: type) -> None:
    planes = RNG.integers(0, 256, (3, 5, 6)).astype(dtype)
    color_map = RNG.normal(size=(3, 4)).astype(np.float32)
    out = np.full((3, 8, 7), 9, np.float32)
    kernels.map_planes(planes, color_map, out)
    expected = np.einsum("ck,khw->chw", color_map[:, :3], planes) + color_map[:, 3, None, None]
    np.testing.assert_allclose(out[:, :5, :6], expected, rtol=1e-5, atol=1e-3)
    assert not out[:, 5:].any()
    assert not out[:, :, 6:].any()


@pytest.mark.parametrize("taps", [4, 8])
def test_weighted_row_sum(taps: int) -> None:
    lines = RNG.normal(size=(6, 5)).astype(np.float32)
    first = np.array([-3, 0, 2, 5])  # before the first line, inside, and beyond the last one
    weights = RNG.normal(size=(4, taps)).astype(np.float32)
    out = np.full((7, 8), 9, np.float32)
    kernels.weighted_row_sum(lines, first, weights, out)
    for i in range(4):
        rows = [lines[min(max(first[i] + t, 0), 5)] for t in range(taps)]
        np.testing.assert_allclose(out[i, :5], weights[i] @ rows, rtol=1e-4, atol=1e-5)
    assert not out[4:].any()
    assert not out[:, 5:].any()


@pytest.mark.parametrize("every_box", [False, True])
def test_accepts_window_as_random_crop_does(every_box: bool) -> None:
    crop, found = RandomCrop(cover_all_box=every_box), []
    for _ in range(300):
        corners = RNG.uniform(0, 60, (RNG.integers(1, 4), 2))
        boxes = np.hstack([corners, corners + RNG.uniform(5, 60, corners.shape)]).astype(np.float32)
        x, y = (int(value) for value in RNG.integers(0, 50, 2))
        window = (x, y, x + int(RNG.integers(10, 90)), y + int(RNG.integers(10, 90)))
        threshold = float(np.float32(RNG.uniform(0, 0.6)))
        found.append(kernels.accepts_window(boxes, *window, threshold, every_box))
        assert found[-1] == crop._accepts(window, boxes, threshold)
    assert 20 < sum(found) < 280


def test_no_window_is_zeros() -> None:
    boxes, bounds = np.array([[10, 10, 12, 12]], np.float32), np.array([0.9, 1.0, 0.5, 2.0])
    rng = np.random.default_rng(0)
    assert kernels.choose_window(rng, 100, 100, boxes, np.array([0.9]), bounds, 5, False) == (0, 0, 0, 0)
    assert kernels.choose_window(rng, 100, 100, boxes, np.array([np.nan, 0.0]), bounds, 5, False) == (0, 0, 0, 0)
