"""Training on a plug-in device gives what it gives on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from tests.device.machine import SHORT, Machine, losses


def convolutions(folder: Path) -> dict[str, np.ndarray]:
    """The weights that are not zero at the start, where rounding is all there is after a few steps."""
    state = paddle.load(str(folder / "model_final.pdparams"), return_numpy=True)
    return {name: value for name, value in state.items() if name.endswith("conv.weight")}


def assert_alike(one: Path, other: Path) -> None:
    """Equal within rounding: other sums round differently, and a loss of 3 has 7 digits."""
    np.testing.assert_allclose(losses(one), losses(other), rtol=1e-3)
    expected = convolutions(other)
    for name, value in convolutions(one).items():
        assert np.linalg.norm(value - expected[name]) <= 0.01 * np.linalg.norm(expected[name]), name


@pytest.mark.parametrize("in_place", ["1"])
def test_training_is_as_on_the_cpu(machine: Machine, in_place: str) -> None:
    device = machine.train("device", *SHORT, GUARDED_IN_PLACE=in_place)
    assert_alike(device, machine.train_on_cpu("cpu", *SHORT))
