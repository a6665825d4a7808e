"""The compiled loops of CPU training against Paddle's operators: values, gradients and running statistics."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import paddle
import pytest

from ppdet.modeling.cpu_training import layers as cpu
from ppdet.modeling.cpu_training.layers import (
    CpuConvNormAct,
    FrozenConvNormAct,
    use_cpu_kernels,
    use_frozen_cpu_kernels,
)
from ppdet.modeling.layers import ConvNormAct
from tests.support.models import make_model, make_targets

pytest.importorskip("numba")


@pytest.fixture(autouse=True)
def _on_the_cpu() -> Iterator[None]:
    """On a machine with cards as well: the loops read the tensors' memory."""
    before = paddle.get_device()
    paddle.set_device("cpu")
    yield
    paddle.set_device(before)


OPTIONS = pytest.mark.parametrize(
    "options",
    [
        *({"kernel_size": kernel, "stride": stride, "groups": 6} for kernel in (3, 5, 7) for stride in (1, 2)),
        {"kernel_size": 5, "out_channels": 1},
        {"kernel_size": 1, "act": None},
        {"kernel_size": 3, "groups": 6, "act": None},
        {"kernel_size": 3, "groups": 6, "act": "relu6"},
    ],
    ids=str,
)


@OPTIONS
@pytest.mark.parametrize("size", [(16, 16), (7, 11), (1, 1), (2, 9)])
def test_equals_paddles_operators(options, size):
    paddle.seed(0)
    slow = ConvNormAct(6, **{"out_channels": 6, **options})
    slow.norm.weight.set_value(paddle.rand([slow.norm.weight.size]) + 0.5)
    slow.norm.bias.set_value(paddle.randn([slow.norm.bias.size]))
    fast = copy.deepcopy(slow)
    use_cpu_kernels(fast)
    x = paddle.randn([4, 6, *size])
    x.stop_gradient = False
    results = []
    for layer in (slow, fast):
        out = layer(x)
        probe = paddle.sin(paddle.arange(out.size, dtype="float32")).reshape(out.shape)
        (out * probe).sum().backward()
        gradients = [x.grad.numpy(), layer.conv.weight.grad.numpy(), layer.norm.weight.grad.numpy()]
        results.append(
            [
                out.numpy(),
                *gradients,
                layer.norm.bias.grad.numpy(),
                layer.norm._mean.numpy(),
                layer.norm._variance.numpy(),
            ]
        )
        x.clear_gradient()
    for expected, found in zip(*results, strict=True):
        # sums of up to 49 products (of all pixels for the weight) in another order, divided by a deviation
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@OPTIONS
def test_a_frozen_layer_evaluates_as_paddles_operators_do(options):
    """Also after its weights have changed."""
    paddle.seed(0)
    slow = ConvNormAct(6, **{"out_channels": 6, **options})
    fast = copy.deepcopy(slow)
    use_frozen_cpu_kernels(fast)
    for tensor, value in (("weight", 1.5), ("bias", 0.3), ("_mean", 0.2), ("_variance", 2.0)):
        for layer in (slow, fast):
            with paddle.no_grad():
                size = layer.norm.weight.size
                getattr(layer.norm, tensor).set_value(value * (1 + paddle.arange(size, dtype="float32") / size))
    slow.eval()
    fast.eval()
    x = paddle.randn([4, 6, 7, 11])
    with paddle.no_grad():
        np.testing.assert_allclose(fast(x).numpy(), slow(x).numpy(), rtol=1e-4, atol=1e-5)


def test_views_that_are_not_contiguous():
    layer = ConvNormAct(4, 4, 3, groups=4)
    x = paddle.randn([2, 8, 5, 6])
    expected = layer(x[:, 4:])
    use_cpu_kernels(layer)
    np.testing.assert_allclose(layer(x[:, 4:]).numpy(), expected.numpy(), atol=1e-5)


def test_a_model_keeps_names_and_losses():
    model = make_model("PicoHeadV2")
    image, targets = paddle.randn([2, 3, 64, 96]), make_targets([[[10, 20, 60, 50]], [[5, 5, 40, 40]]])
    names, losses = list(model.state_dict()), model.criterion(model(image), targets, 0)
    use_cpu_kernels(model)
    assert list(model.state_dict()) == names
    assert sum(isinstance(layer, CpuConvNormAct) for layer in model.sublayers()) > 50
    for name, value in model.criterion(model(image), targets, 0).items():
        assert float(value) == pytest.approx(float(losses[name]), rel=1e-4), name


def test_evaluation_stays_on_paddles_operators():
    model = make_model("PicoHeadV2")
    model.eval()
    image = paddle.randn([1, 3, 64, 64])
    expected = model(image)
    use_cpu_kernels(model)
    for ours, plain in zip(model(image)[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(ours.numpy(), plain.numpy())


def test_without_numba_nothing_changes(monkeypatch):
    monkeypatch.setattr(cpu, "_kernels", lambda: None)
    model = make_model("PicoHeadV2")
    for use in (use_cpu_kernels, use_frozen_cpu_kernels):
        use(model)
    assert not any(isinstance(layer, (CpuConvNormAct, FrozenConvNormAct)) for layer in model.sublayers())
