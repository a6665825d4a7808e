"""One update: nothing waits for the device, and several batches train like one that holds all their images."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.data import Batch
from ppdet.runtime import distributed
from ppdet.training.meter import Meter
from ppdet.training.setup import build_trainer
from ppdet.training.step import accumulated_train_step, begin_divisor, train_step
from tests.support.models import make_model
from tests.support.ranks import make_batch
from tests.support.samples import ARRAYS
from tests.support.tiny import make_run, write_config

_READS = ("numpy", "item", "tolist", "__array__", "__bool__", "__int__", "__float__", "__index__", "__len__")


@pytest.mark.parametrize(
    ("base", "epoch", "accumulate_steps"),
    [
        ("picodet_xs_320_coco_lcnet.yml", 0, 1),
        ("picodet_xs_320_coco_lcnet.yml", 0, 2),
        ("picodet_xs_320_coco_lcnet.yml", 200, 1),
        ("picodet_xs_320_coco_lcnet.yml", 200, 2),
        ("picodet_xs_320_coco_lcnet.yml PicoDet.head=PicoHeadE2E", 200, 2),
        ("legacy_model/picodet_s_320_coco.yml", 0, 1),
    ],
)
def test_a_step_reads_no_tensor(tiny, base, epoch, accumulate_steps, monkeypatch):
    """ATSS, TAL and SimOTA; learning rate, optimizer, average and meter included."""
    base, *head = base.split()
    config = write_config(tiny.parent, base)
    trainer, _ = build_trainer(make_run(config, "to_static=true", *head))  # without the CPU's kernels
    scaler = paddle.amp.GradScaler(enable=False)
    meter = Meter()
    batches = list(itertools.islice(itertools.cycle(trainer.loader.epoch(0)), 2 * accumulate_steps))

    def step(batches) -> None:
        trainer.optimizer.set_lr(0.01)
        common = epoch, trainer.optimizer, scaler
        if accumulate_steps == 1:
            losses = train_step(trainer.model, trainer.model.criterion, batches[0], *common)
        else:
            losses = accumulated_train_step(trainer.model, trainer.model.criterion, batches, *common)
        trainer.ema.update()
        meter.add(losses, np.concatenate([batch.im_id for batch in batches]), 0.0)

    step(batches[:accumulate_steps])  # the optimizer reads when it makes its state
    with monkeypatch.context() as patch:
        for name in _READS:
            patch.setattr(paddle.Tensor, name, _forbidden(name))
        step(batches[accumulate_steps:])
        with pytest.raises(AssertionError, match="host"):  # the guard is on
            meter.read(2)
    assert np.isfinite(meter.read(2)["loss"])


def test_accumulation_is_refused_where_losses_have_two_divisors(tiny):
    """Before anything is trained or written."""
    config = write_config(tiny.parent, "legacy_model/picodet_s_320_coco.yml")
    with pytest.raises(UserError, match="^accumulate_steps: found 2; expected 1 with PicoHead"):
        build_trainer(make_run(config, "accumulate_steps=2"))
    assert not (tiny.parent / "output").exists()


def _forbidden(name: str):
    def read(self, *args):
        raise AssertionError(f"the host reads a tensor: {name}")

    return read


def parts_of(batch: Batch, count: int) -> list[Batch]:
    """`batch` as `count` batches of as many images."""
    size = len(batch.im_id) // count
    return [
        Batch(**{name: getattr(batch, name)[start : start + size] for name in ARRAYS})
        for start in range(0, size * count, size)
    ]


class Keep:
    """In place of an optimizer and a gradient scaler: keeps the gradients, and changes no weight."""

    def __init__(self, model: paddle.nn.Layer):
        self.model = model
        self.gradients: dict[str, np.ndarray] = {}

    def scale(self, loss: paddle.Tensor) -> paddle.Tensor:
        return loss

    def step(self, optimizer: object) -> None:
        named = self.model.named_parameters()
        self.gradients = {name: p.grad.numpy() for name, p in named if p.grad is not None}

    def update(self) -> None: ...

    def clear_grad(self, set_to_zero: bool) -> None:
        for parameter in self.model.parameters():
            parameter.clear_gradient()


@pytest.mark.parametrize("head", ["PicoHeadV2", "PicoHeadE2E"])
@pytest.mark.parametrize("epoch", [0, 200])
def test_several_batches_train_like_one(head, epoch):
    """Losses and gradients, the running statistics of the norms being used. Their divisors differ from batch to batch.

    Tolerance: 1e-5 of the largest value, since float32 sums differ in their order.
    """
    model = make_model(head, num_classes=3)
    model.eval()
    keep, whole = Keep(model), make_batch(1)
    expected = train_step(model, model.criterion, whole, epoch, keep, keep)
    gradients = keep.gradients
    found = accumulated_train_step(model, model.criterion, parts_of(whole, 4), epoch, keep, keep)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-5), name
    assert keep.gradients.keys() == gradients.keys()
    assert any(name.startswith("head.one_to_one.") for name in gradients) == (head == "PicoHeadE2E")
    largest = max(np.abs(value).max() for value in gradients.values())
    for name, value in gradients.items():
        np.testing.assert_allclose(keep.gradients[name], value, rtol=1e-4, atol=1e-5 * largest, err_msg=name)
    assert all(p.grad is None or not p.grad.numpy().any() for p in model.parameters())  # cleared for the next update


def test_gradients_on_a_device_that_cannot_multiply_in_place(monkeypatch):
    """Paddle then gives the product new memory; see tests/optim/test_flat_tensors.py."""
    model = make_model("PicoHeadV2", num_classes=3)
    model.eval()
    keep, parts = Keep(model), parts_of(make_batch(1), 4)
    accumulated_train_step(model, model.criterion, parts, 0, keep, keep)
    expected, multiplied = keep.gradients, []

    def multiply_elsewhere(tensor: paddle.Tensor, factor: paddle.Tensor) -> paddle.Tensor:
        multiplied.append(tensor)
        (tensor * factor)._share_buffer_to(tensor)
        return tensor

    monkeypatch.setattr(paddle.Tensor, "multiply_", multiply_elsewhere)
    accumulated_train_step(model, model.criterion, parts, 0, keep, keep)
    assert len(multiplied) == len(expected) == len(keep.gradients)
    for name, value in expected.items():
        np.testing.assert_array_equal(keep.gradients[name], value, err_msg=name)


def test_each_batch_passes_the_network_once():
    """Batches count once in the running statistics, in their order."""
    model, twin = (make_model("PicoHeadV2", num_classes=3) for _ in range(2))
    keep, parts = Keep(model), parts_of(make_batch(1), 4)
    accumulated_train_step(model, model.criterion, parts, 0, keep, keep)
    for part in parts:
        twin(part.image)
    for (name, value), expected in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        np.testing.assert_array_equal(value.numpy(), expected.numpy(), err_msg=name)


def test_divisors_are_sums_over_all_ranks_at_least_one_shared_by_the_ranks(monkeypatch):
    own = paddle.to_tensor([3.0, 0.2])
    assert begin_divisor(own)().numpy().tolist() == [3, 1]
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    tasks: list[Sum] = []
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda sums, sync_op: tasks.append(Sum(sums)) or tasks[-1])
    divisor = begin_divisor(own)
    assert [task.waits for task in tasks] == [0]  # it has begun, and nothing has waited for it
    assert divisor().numpy().tolist() == [4, 0.5]
    assert divisor().numpy().tolist() == [4, 0.5]
    assert [task.waits for task in tasks] == [1]
    assert own.numpy() == pytest.approx([3, 0.2])


class Sum:
    """In place of Paddle's task: the other rank has 5 and 0.3."""

    def __init__(self, sums: paddle.Tensor):
        self.sums, self.waits = sums, 0

    def wait(self) -> None:
        self.waits += 1
        self.sums.set_value(self.sums + paddle.to_tensor([5.0, 0.3]))
