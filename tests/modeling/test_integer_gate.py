"""Hard swish between integers in float32. That it equals ONNX Runtime is tested in tests/quantization/qat."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling.fake_quant.integer_gate import fake_gate, integer_gate
from ppdet.modeling.fake_quant.quantizer import FakeQuantizer

SCALES = {"one scale": np.full(3, 0.5, np.float32), "scales": np.array([0.2, 1, 4], np.float32)}


def quantizers(scales: np.ndarray) -> tuple[FakeQuantizer, FakeQuantizer]:
    """Those of z, from -3 to 12 at scale 1 and with the value 3 as a whole number of steps, and of its hard swish."""
    zero_point = 51
    step = 3 / zero_point / scales[1]
    return (
        FakeQuantizer(np.array([step]), -zero_point, 255 - zero_point, scales),
        FakeQuantizer(np.array([step]), -10, 245, scales),
    )


def values(source: FakeQuantizer) -> paddle.Tensor:
    return source.in_own_units(
        paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype("float32") * 3)
    )


@pytest.mark.parametrize("kind", SCALES)
def test_values_are_those_of_the_hard_swish(kind):
    source, result = quantizers(SCALES[kind])
    z = values(source)
    steps = result.steps.item() * SCALES[kind].reshape(1, -1, 1, 1)
    expected = (z * (z / 6 + 0.5).clip(0, 1)).numpy().clip(-10 * steps, 245 * steps)
    for gate in (fake_gate, integer_gate):
        found = gate(z, source, result).numpy()
        np.testing.assert_allclose(found / steps, np.rint(found / steps), atol=1e-3)  # whole numbers of steps
        allowed = 0.51 if source.is_even else 1.1  # the factor is rounded as well
        assert np.abs((found - expected) / steps).max() < allowed
    trained, written = (gate(z, source, result).numpy() for gate in (fake_gate, integer_gate))
    differ = np.rint(np.abs(trained - written) / steps)
    assert differ.max() <= 1
    assert (differ > 0).mean() < 0.05  # where the factor is near the middle between two integers


def test_gradients_are_those_of_the_hard_swish():
    source, result = quantizers(SCALES["scales"])
    z = values(source).detach()
    z.stop_gradient = False
    fake_gate(z, source, result).sum().backward()
    inside = (z.numpy() > -3) & (z.numpy() < 3)
    slope = np.where(inside, z.numpy() / 3 + 0.5, (z.numpy() >= 3).astype("float32"))
    limits = np.array([-10, 245]) * result.steps.item()
    own = (z * (z / 6 + 0.5).clip(0, 1)).numpy() / SCALES["scales"].reshape(1, -1, 1, 1)
    slope = np.where((own > limits[0] + 0.1) & (own < limits[1] - 0.1), slope, np.nan)
    known = ~np.isnan(slope) & (np.abs(np.abs(z.numpy()) - 3) > 0.1)
    assert known.mean() > 0.5
    np.testing.assert_allclose(z.grad.numpy()[known], slope[known], atol=0.01)
    assert result.change.grad.abs().item() > 0
