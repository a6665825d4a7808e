"""The C++ library's resizing and normalization against cv2 and NumPy, bit for bit."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

SCALE = np.array([0.017, 0.0175, 0.0174], np.float32)
SHIFT = np.array([-2.1, -2.03, -1.8], np.float32)
Resize = Callable[[np.ndarray, float, float, int], tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def resize(quick_build: Path) -> Resize:
    """(image, fy, fx, interpolation) -> normalized [3, H, W] float32 and pixels [3, H, W] uint8."""
    function = ctypes.CDLL(str(quick_build / "tests" / "libresize_c.so")).resize_planes

    def call(image: np.ndarray, fy: float, fx: float, interpolation: int) -> tuple[np.ndarray, np.ndarray]:
        height, width = image.shape[:2]
        pixels = {2: 4, 3: 0, 4: 2}[image.ndim if image.ndim == 2 else image.shape[2]]  # gray, bgr, bgra
        factors = ctypes.c_double(fy), ctypes.c_double(fx)
        shape = 3, round(height * fy), round(width * fx)
        floats, integers = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        given = ctypes.c_void_p(image.ctypes.data), height, width, pixels, *factors, interpolation
        affine = SCALE.ctypes.data, SHIFT.ctypes.data
        function(*given, *map(ctypes.c_void_p, affine), ctypes.c_void_p(floats.ctypes.data), None)
        function(*given, None, None, None, ctypes.c_void_p(integers.ctypes.data))
        return floats, integers

    return call


def expected(image: np.ndarray, fy: float, fx: float, interpolation: int) -> tuple[np.ndarray, np.ndarray]:
    three = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else np.ascontiguousarray(image[:, :, :3])
    planes = np.moveaxis(cv2.resize(three, None, fx=fx, fy=fy, interpolation=interpolation), 2, 0)
    floats = np.empty(planes.shape, np.float32)
    for channel, plane in enumerate(planes):
        np.multiply(plane, SCALE[channel], out=floats[channel])
        floats[channel] += SHIFT[channel]
    return floats, planes


def uses_ipp() -> bool:
    return "Intel IPP:                   20" in cv2.getBuildInformation()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("interpolation", [cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC])
def test_values_are_those_of_cv2(resize: Resize, interpolation: int, channels: int) -> None:
    if interpolation == cv2.INTER_CUBIC and not uses_ipp():
        pytest.skip("this OpenCV has another cubic interpolation than its builds for x86")
    rng = np.random.default_rng(channels)
    sizes = [(480, 640), (640, 640), (64, 64), (6, 700), (321, 6), *rng.integers(6, 500, (12, 2))]
    for i, (height, width) in enumerate(sizes):
        target = [(320, 320), (416, 416), (64, 96), (33, 47)][i % 4]
        image = rng.integers(0, 256, (height, width, channels)[: 2 if channels == 1 else 3], np.uint8)
        given = image, target[0] / height, target[1] / width, interpolation
        for ours, theirs in zip(resize(*given), expected(*given), strict=True):
            assert np.array_equal(ours, theirs), (height, width, target)


@pytest.mark.parametrize(("height", "width"), [(96, 128), (97, 129), (2, 2), (3, 5)])
def test_half_the_size_is_the_mean_of_four_pixels(resize: Resize, height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    given = image, 0.5, 0.5, cv2.INTER_LINEAR
    assert np.array_equal(resize(*given)[1], expected(*given)[1])


def test_one_factor_for_both_sides_samples_by_the_factor(resize: Resize) -> None:
    """As with keep_ratio, where a rounded side does not fit the factor."""
    rng = np.random.default_rng(0)
    for height, width in ((163, 445), (869, 693), (100, 333)):
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        factor = 320 / max(height, width)
        for interpolation, most in ((cv2.INTER_LINEAR, 0), (cv2.INTER_CUBIC, 1)):
            if interpolation == cv2.INTER_CUBIC and not uses_ipp():
                continue
            given = image, factor, factor, interpolation
            off = np.abs(resize(*given)[1].astype(int) - expected(*given)[1])
            assert off.max() <= most
            assert off.mean() < 1e-4
