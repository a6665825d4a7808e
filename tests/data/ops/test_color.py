"""Color maps: values computed by hand, and both ways of writing them."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.data import ops
from ppdet.data.ops import color
from tests.references import images as reference


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 9, 3), np.uint8)


def mapped(color_map: np.ndarray, *rgb: float) -> list[float]:
    return (color_map[:, :3] @ rgb + color_map[:, 3]).tolist()


def test_each_map_of_one_pixel() -> None:
    assert mapped(color.shift_brightness(5), 10, 20, 30) == [15, 25, 35]
    assert mapped(color.scale_contrast(0.5), 10, 20, 30) == [5, 10, 15]
    gray = 0.299 * 10 + 0.587 * 20 + 0.114 * 30
    assert mapped(color.blend_saturation(0.25), 10, 20, 30) == pytest.approx(
        [0.25 * value + 0.75 * gray for value in (10, 20, 30)]
    )
    assert mapped(color.normalize([0.5, 0.25, 0], [2, 1, 0.5], True), 255, 255, 51) == pytest.approx([0.25, 0.75, 0.4])
    assert mapped(color.normalize([100, 50, 0], [2, 1, 0.5], False), 110, 40, 3) == pytest.approx([5, -10, 6])


def test_the_map_back() -> None:
    there = color.compose(color.rotate_hue(0.3), color.normalize([0.5, 0.25, 0], [2, 1, 0.5], True))
    assert mapped(color.inverse(there), *mapped(there, 10, 200, 30)) == pytest.approx([10, 200, 30])


@pytest.mark.parametrize("turn", [0.0, 0.3, -1.7])
def test_hue(image: np.ndarray, turn: float) -> None:
    expected = reference.hue_rotated(image.astype(np.float64), turn)
    np.testing.assert_allclose(color.apply_map(image, color.rotate_hue(turn)), expected, rtol=0, atol=1e-3)


def test_a_gray_pixel_has_no_hue() -> None:
    assert mapped(color.rotate_hue(0.5), 90, 90, 90) == pytest.approx([90] * 3, abs=0.3)  # YIQ to 3 decimals


def test_compose_applies_the_first_map_first() -> None:
    add, double = color.shift_brightness(5), color.scale_contrast(2)
    assert mapped(color.compose(add, double), 1, 2, 3) == [12, 14, 16]
    assert mapped(color.compose(double, add), 1, 2, 3) == [7, 9, 11]
    assert color.compose(None, add) is add


def test_values_are_not_clipped() -> None:
    pixel = np.full((1, 1, 3), 200, np.uint8)
    assert color.apply_map(pixel, color.scale_contrast(3)).tolist() == [[[600, 600, 600]]]
    assert color.apply_map(pixel, color.shift_brightness(-300)).tolist() == [[[-100, -100, -100]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "color_map",
    [None, color.normalize([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], True), color.rotate_hue(0.4)],
    ids=["none", "diagonal", "mixing"],
)
def test_write_mapped(
    monkeypatch: pytest.MonkeyPatch, image: np.ndarray, color_map: np.ndarray | None, compiled: bool, dtype: type
) -> None:
    if not compiled:
        monkeypatch.setattr(ops, "load_numba_kernels", lambda: None)
    out = np.full((3, 10, 12), 7, np.float32)
    color.write_mapped(image.astype(dtype), color_map, out)
    expected = image.astype(np.float64)
    if color_map is not None:
        expected = expected @ color_map[:, :3].T + color_map[:, 3]
    np.testing.assert_allclose(out[:, :7, :9], expected.transpose(2, 0, 1), rtol=0, atol=1e-4)
    assert not out[:, 7:].any()
    assert not out[:, :, 9:].any()


def test_which_maps_are_diagonal() -> None:
    assert color.is_diagonal(color.compose(color.scale_contrast(2), color.shift_brightness(1)))
    assert not color.is_diagonal(color.blend_saturation(0.5))
