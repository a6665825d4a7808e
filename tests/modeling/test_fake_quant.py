"""Fake quantization: its numbers and gradients by hand, and the two ways to compute it against each other."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.modeling.cpu_training.rounding import cpu_kernels
from ppdet.modeling.fake_quant import PADDLE_KERNELS, Activation, Int8Conv, Int8Layout, Kernels, attach_fake_quant
from ppdet.modeling.fake_quant.layers import damped
from ppdet.modeling.fake_quant.quantizer import FakeQuantizer, round_half_even
from ppdet.modeling.layers import ConvNormAct


def kernels() -> list[Kernels]:
    return [PADDLE_KERNELS, cpu_kernels()]


def quantizer(step: float, low: int, high: int, scales: list[float], kernels: Kernels) -> FakeQuantizer:
    return FakeQuantizer(np.array([step]), low, high, np.array(scales), kernels)


@pytest.mark.parametrize("kernels", kernels(), ids=["paddle", "loops"])
def test_rounding_by_hand(kernels):
    """Channel scales 1 and 2, steps of 0.5, integers from -2 to 3."""
    layer = quantizer(0.5, -2, 3, [1.0, 2.0], kernels)
    x = paddle.to_tensor(np.array([[0.6, 9.0], [0.6, -9.0]], "float32").reshape(1, 2, 1, 2), stop_gradient=False)
    out = layer(x)
    # 0.6 / 0.5 = 1.2 -> 1; 9 / 0.5 -> 3; 0.6 / (2 * 0.5) = 0.6 -> 1; -9 -> -2; all times 0.5
    np.testing.assert_allclose(out.numpy().ravel(), [0.5, 1.5, 0.5, -1.0], rtol=1e-6)
    np.testing.assert_allclose(layer.in_own_units(x).numpy().ravel(), [0.5, 1.5, 1.0, -2.0], rtol=1e-6)
    (out * paddle.to_tensor(np.array([1, 10, 100, 1000], "float32").reshape(1, 2, 1, 2))).sum().backward()
    np.testing.assert_allclose(x.grad.numpy().ravel(), [1, 0, 50, 0], rtol=1e-6)
    slope = 1 * (1 - 1.2) + 10 * 3 + 100 * (1 - 0.6) + 1000 * -2
    assert layer.change.grad.item() == pytest.approx(0.5 * slope / np.sqrt(4), rel=1e-5)


def test_halves_are_rounded_to_even_integers():
    """As ONNX and integer kernels do; `paddle.round` of 2.6 does not."""
    halves = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 92.5, 0.49999997, 2.5000002, 2.0**24 + 2, float("nan")]
    expected = [0, 2, 2, 0, -2, -2, 92, 0, 3, 2.0**24 + 2, float("nan")]
    np.testing.assert_array_equal(round_half_even(paddle.to_tensor(halves, "float32")).numpy(), expected)
    layer = quantizer(0.5, -2, 3, [1.0], PADDLE_KERNELS)
    x = paddle.to_tensor(np.array(halves[:6], "float32").reshape(1, 1, 1, 6) / 2)
    np.testing.assert_array_equal(layer.integers(x).numpy().ravel(), [0, 2, 2, 0, -2, -2])


def test_weights_have_a_step_for_each_row():
    layer = FakeQuantizer(np.array([0.5, 2.0]), -127, 127)
    weight = paddle.to_tensor(np.array([[0.7, -80], [-3.1, 1.2]], "float32").reshape(2, 2, 1, 1), stop_gradient=False)
    out = layer(weight)
    np.testing.assert_allclose(out.numpy().ravel(), [0.5, -63.5, -4, 2], rtol=1e-6)
    out.sum().backward()
    np.testing.assert_allclose(weight.grad.numpy().ravel(), [1, 0, 1, 1])
    expected = np.array([0.5, 2]) * np.array([(1 - 1.4) - 127, (-2 + 1.55) + (1 - 0.6)]) / np.sqrt(2)
    np.testing.assert_allclose(layer.change.grad.numpy(), expected, rtol=1e-5)


def test_rows_of_small_weights_are_trained_in_units_of_their_norm():
    weight = paddle.to_tensor(np.array([[3, 4], [0.06, 0.08], [0, 0]], "float32").reshape(3, 2, 1, 1))
    weight.stop_gradient = False
    out = damped(weight)
    np.testing.assert_array_equal(out.numpy(), weight.numpy())
    (out * paddle.to_tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).reshape([3, 2, 1, 1])).sum().backward()
    np.testing.assert_allclose(weight.grad.numpy().ravel(), [1, 2, 0.03, 0.04, 0, 0], rtol=1e-6)


def test_loops_equal_operators():
    rng = np.random.default_rng(0)
    scales = rng.uniform(0.5, 2, 5)
    values = rng.normal(size=(2, 5, 30, 31)).astype("float32")
    found = []
    for each in kernels():
        layer, x = quantizer(0.02, -30, 100, [*scales], each), paddle.to_tensor(values, stop_gradient=False)
        out = layer(x)
        (out * out.sign() * paddle.arange(31, dtype="float32")).sum().backward()
        found.append((out.numpy(), x.grad.numpy(), layer.change.grad.numpy()))
    for loops, operators in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(loops, operators, rtol=2e-4, atol=1e-6)


def test_nan_is_not_hidden():
    for each in kernels():
        x = paddle.full([1, 1, 1, 2], float("nan"))
        assert np.isnan(quantizer(0.1, 0, 255, [1.0], each)(x).numpy()).all()


class Network(paddle.nn.Layer):
    """A depthwise convolution with a norm and a hard swish, then a convolution with a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ConvNormAct(4, 4, 3, groups=4)
        self.last = paddle.nn.Conv2D(4, 3, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.last(self.first(x))


SCALES = np.array([1.0, 0.5, 2.0, 3.0], np.float32)
WRITTEN = np.array([1.0, 2.0, 0.25, 1.0], np.float32)


def network() -> tuple[Network, Int8Layout]:
    paddle.seed(1)
    model = Network()
    norm = model.first.norm
    for value in (norm.weight, norm.bias, norm._mean, norm._variance, model.last.bias):
        value.set_value(paddle.uniform(value.shape, min=0.5, max=1.5))
    activations = (
        Activation(0.0513, 0, SCALES, -128, 127),
        Activation(0.0417, 90, WRITTEN, 0, 255),
        Activation(0.0311, 20, np.ones(4, np.float32), 0, 255),
    )
    convs = {
        "first.conv": Int8Conv(0, 1, np.array([0.01, 0.02, 0.015, 0.03], np.float32)),
        "last": Int8Conv(2, None, np.array([0.01, 0.02, 0.015], np.float32)),
    }
    return model, Int8Layout("onnxruntime", activations, convs)


def integers(x: np.ndarray, steps: np.ndarray, zero_point: int, low: int, high: int) -> np.ndarray:
    return np.clip(np.rint(x / steps) + zero_point, low, high) - zero_point


def test_the_network_computes_with_integers():
    """Against the definition in integers, in NumPy."""
    model, layout = network()
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 5)).astype("float32") * 3
    norm, conv, last = model.first.norm, model.first.conv, model.last
    factor = norm.weight.numpy() / np.sqrt(norm._variance.numpy() + 1e-5)
    bias = norm.bias.numpy() - norm._mean.numpy() * factor
    weight = conv.weight.numpy() * factor.reshape(-1, 1, 1, 1)
    steps = layout.convs["first.conv"].weight_steps
    weight = integers(weight * SCALES.reshape(-1, 1, 1, 1), steps.reshape(-1, 1, 1, 1), 0, -127, 127)
    padded = np.pad(integers(x, 0.0513 * SCALES.reshape(1, -1, 1, 1), 0, -128, 127), ((0, 0), (0, 0), (1, 1), (1, 1)))
    total = sum(
        padded[:, :, i : i + 5, j : j + 5] * weight[None, :, 0, i, j, None, None] for i in range(3) for j in range(3)
    )
    units = (0.0513 * steps).reshape(1, -1, 1, 1)
    start = np.rint(bias.reshape(1, -1, 1, 1) / units)  # biases are integers too
    written = (total + start) * units
    own = 0.0417 * WRITTEN.reshape(1, -1, 1, 1)
    written = integers(written, own, 90, 0, 255) * own
    read = integers(written * np.clip(written / 6 + 0.5, 0, 1), np.full((1, 1, 1, 1), 0.0311), 20, 0, 255)
    rows = layout.convs["last"].weight_steps.reshape(-1, 1)
    weight = integers(last.weight.numpy()[:, :, 0, 0], rows, 0, -127, 127) * rows
    bias = np.rint(last.bias.numpy() / (0.0311 * rows.ravel())) * 0.0311 * rows.ravel()
    expected = np.einsum("oc,bchw->bohw", weight, read * 0.0311) + bias.reshape(1, -1, 1, 1)
    attach_fake_quant(model, layout)
    model.eval()
    found = model(paddle.to_tensor(x)).numpy()
    off = np.abs(found - expected) > 1e-3 * np.abs(expected).max()
    assert not off.any()
    for each in kernels():
        other, layout = network()
        attach_fake_quant(other, layout, each)
        trained = other(paddle.to_tensor(x)).numpy()
        # biases are not rounded in training, so that here and there a value rounds to the integer beside
        assert (np.abs(trained - found) > 1e-3 * np.abs(expected).max()).mean() < 0.05


def test_everything_is_trained_but_statistics():
    model, layout = network()
    before = set(model.state_dict())
    attach_fake_quant(model, layout)
    steps = {f"fake_quant.activations.{i}.change" for i in range(3)} | {
        f"fake_quant.weights.{i}.change" for i in (0, 1)
    }
    assert set(model.state_dict()) == before | steps
    statistics = model.first.norm._mean.numpy(), model.first.norm._variance.numpy()
    model(paddle.randn([2, 4, 5, 5])).square().sum().backward()
    missing = {name for name, value in model.named_parameters() if value.grad is None}
    assert missing == {"first.norm._mean", "first.norm._variance"}
    np.testing.assert_array_equal(model.first.norm._mean.numpy(), statistics[0])
    np.testing.assert_array_equal(model.first.norm._variance.numpy(), statistics[1])


def test_the_layout_of_another_model():
    model, layout = network()
    model.last = paddle.nn.Conv2D(4, 5, 1)
    with pytest.raises(UserError, match=r"^QAT: .* another model: last has 3 filters for 4 channels there, weights"):
        attach_fake_quant(model, layout)
    del model.last
    with pytest.raises(UserError, match=r"last has 3 filters for 4 channels there, no such layer here"):
        attach_fake_quant(model, layout)


def test_a_layout_in_a_file():
    layout = network()[1]
    again = Int8Layout.from_entry(layout.as_entry())
    np.testing.assert_equal(again.as_entry(), layout.as_entry())
    broken = layout.as_entry() | {"activations": ()}
    with pytest.raises(ValueError, match="no activation 0, 1 or None"):
        Int8Layout.from_entry(broken)


def test_a_static_graph_is_trained_as_well():
    """Constants are no parameters, and quantizers stand in another part of the model than the layers that use them."""
    found = []
    for static in (False, True):
        model, layout = network()
        attach_fake_quant(model, layout)
        x = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 4, 5, 5)).astype("float32"))
        out = (paddle.jit.to_static(model, full_graph=True) if static else model)(x)
        out.square().sum().backward()
        found.append({name: value.grad.numpy() for name, value in model.named_parameters() if value.grad is not None})
        found[-1]["out"] = out.numpy()
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-3, atol=1e-3 * np.abs(value).max(), err_msg=name)
