"""Tensors in one vector: views that stay views, and the way back."""

from __future__ import annotations

import copy
import functools

import numpy as np
import paddle
from paddle import nn

from benchmarks.measure import extra_memory_mb, operator_launches
from ppdet.optim.ema import ModelEMA
from ppdet.optim.flat_tensors import FlatTensors
from ppdet.training.checkpoint import TrainingPosition, save_checkpoint
from tests.support.models import make_model


def make_net() -> nn.Layer:
    return nn.Sequential(nn.Conv2D(3, 5, 3), nn.BatchNorm2D(5), nn.Linear(7, 2))


def test_values_and_shapes_stay():
    net = make_net()
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    flat = FlatTensors(net.state_dict())
    assert np.count_nonzero(flat.vector().numpy()) == sum(np.count_nonzero(value) for value in before.values())
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
        np.testing.assert_array_equal(flat.split(flat.vector())[name], before[name])
        assert (value.data_ptr() - flat.vector().data_ptr()) % 256 == 0
    np.testing.assert_array_equal(flat.join(before).numpy(), flat.vector().numpy())


def test_what_training_and_loading_change_is_in_the_vector():
    net = make_net()
    flat = FlatTensors(net.state_dict())
    origin = flat.vector().data_ptr()
    optimizer = paddle.optimizer.Momentum(0.1, parameters=net.parameters(), use_multi_tensor=True)
    for _ in range(2):
        net[2](net[1](net[0](paddle.randn([2, 3, 4, 9])))).square().sum().backward()  # norm statistics too
        optimizer.step()
        optimizer.clear_grad()
        for name, value in flat.split(flat.vector()).items():
            np.testing.assert_array_equal(value, net.state_dict()[name].numpy())
    net.set_state_dict({name: value.numpy() + 1 for name, value in net.state_dict().items()})
    for name, value in flat.split(flat.vector()).items():
        np.testing.assert_array_equal(value, net.state_dict()[name].numpy())
    assert flat.vector().data_ptr() == origin


def test_a_tensor_with_new_memory_is_taken_back():
    net = make_net()
    flat = FlatTensors(net.state_dict())
    paddle.ones([5])._share_buffer_to(net[1].weight)
    net[1].weight.set_value(paddle.full([5], 3.0))
    np.testing.assert_array_equal(flat.split(flat.vector())["1.weight"], np.full(5, 3, np.float32))
    net[1].weight.set_value(paddle.full([5], 4.0))
    np.testing.assert_array_equal(flat.split(flat.vector())["1.weight"], np.full(5, 4, np.float32))


def give_new_memory(tensor: paddle.Tensor, value: paddle.Tensor) -> None:
    """As an in-place operator does that a device lacks: it runs on the CPU, and its result is copied to new memory."""
    value.clone()._share_buffer_to(tensor)


def values_of(net: nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in net.state_dict().items()}


def assert_in_vector(flat: FlatTensors, values: dict[str, np.ndarray]) -> None:
    found = flat.split(flat.vector())
    assert list(found) == list(values)
    for name, value in values.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_no_operator_has_to_write_into_memory_that_is_there(monkeypatch):
    assign = paddle.assign

    def assign_elsewhere(x: paddle.Tensor, output: paddle.Tensor | None = None) -> paddle.Tensor:
        if output is None:
            return assign(x)
        give_new_memory(output, x)
        return output

    monkeypatch.setattr(paddle, "assign", assign_elsewhere)
    net = make_net()
    before = values_of(net)
    flat = FlatTensors(net.state_dict())
    assert_in_vector(flat, before)
    assert all(np.array_equal(value, before[name]) for name, value in values_of(net).items())
    give_new_memory(net[1].weight, paddle.full([5], 3.0))
    assert_in_vector(flat, before | {"1.weight": np.full(5, 3, np.float32)})


def test_a_device_that_moves_tensors_at_every_update(monkeypatch):
    net = make_net()
    flat, shared = FlatTensors(net.state_dict()), []
    share = flat._share
    monkeypatch.setattr(flat, "_share", lambda: (shared.append(update), share()))
    for update in range(1, 5):
        for name, tensor in net.state_dict().items():
            if name != "2.bias":  # has no gradient, say
                give_new_memory(tensor, tensor + update)
        assert_in_vector(flat, values_of(net))
    assert shared == [1]  # in vain, so they are only copied from the second update on

    origin = net[0].weight.data_ptr()
    assert_in_vector(flat, values_of(net))
    assert net[0].weight.data_ptr() == origin


def test_copies_of_a_model_are_its_own():
    net = make_net()
    flat = FlatTensors(net.state_dict())
    before = flat.vector().numpy().copy()
    twin = copy.deepcopy(net)
    twin.set_state_dict({name: value * 0 for name, value in twin.state_dict().items()})
    np.testing.assert_array_equal(flat.vector().numpy(), before)


def test_an_update_of_the_average_is_a_handful_of_launches():
    ema = ModelEMA(nn.Sequential(*[nn.Linear(4, 4) for _ in range(50)]))
    assert 0 < operator_launches(ema.update) <= 5


def test_saving_does_not_copy_the_vector_for_each_tensor(tmp_path):
    model = make_model("PicoHeadV2")
    ema = ModelEMA(model)
    ema.update()
    optimizer = paddle.optimizer.Momentum(0.1, parameters=model.parameters())
    size = 4 * ema._average.size / 2**20  # MB; about 400 copies of it would be made
    save = functools.partial(save_checkpoint, tmp_path / "x", model, optimizer, ema, TrainingPosition(0, 0, 0, 0))
    assert extra_memory_mb(save) < 50 * size
