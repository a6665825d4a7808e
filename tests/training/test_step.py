"""One training step: nothing waits for the device, and the static graph gives the losses of the dynamic one."""

from __future__ import annotations

import itertools
import json

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.training.loop import fit, train_step
from ppdet.training.meter import Meter
from ppdet.training.setup import build_trainer
from ppdet.training.static_graph import StaticNetwork
from tests.support.tiny import make_run, write_config
from tests.training.test_resume import train

_READS = ("numpy", "item", "tolist", "__array__", "__bool__", "__int__", "__float__", "__index__", "__len__")


@pytest.mark.parametrize(
    ("base", "epoch", "accumulate_steps"),
    [
        ("picodet_xs_320_coco_lcnet.yml", 0, 1),
        ("picodet_xs_320_coco_lcnet.yml", 0, 2),
        ("picodet_xs_320_coco_lcnet.yml", 200, 1),
        ("picodet_xs_320_coco_lcnet.yml", 200, 2),
        ("legacy_model/picodet_s_320_coco.yml", 0, 1),
    ],
)
def test_a_step_reads_no_tensor(tiny, base, epoch, accumulate_steps, monkeypatch):
    """ATSS, TAL and SimOTA; learning rate, optimizer, average and meter included."""
    trainer, _ = build_trainer(make_run(write_config(tiny.parent, base), "to_static=true"))  # without the CPU's kernels
    scaler = paddle.amp.GradScaler(enable=False)
    meter = Meter()
    batches = list(itertools.islice(itertools.cycle(trainer.loader.epoch(0)), 2 * accumulate_steps))

    def step(batches) -> None:
        trainer.optimizer.set_lr(0.01)
        losses = train_step(trainer.model, trainer.model, batches, epoch, trainer.optimizer, scaler)
        trainer.ema.update()
        meter.add(losses, paddle.concat([batch.im_id for batch in batches]), 0.0)

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


def test_static_graph_gives_the_same_losses(tiny):
    trainer, _ = build_trainer(make_run(tiny, "to_static=true"))
    static = StaticNetwork(trainer.model)
    for batch in trainer.loader.epoch(0):  # of two sizes
        trainer.model.train()
        for plain, recorded in zip(trainer.model(batch.image)[:2], static(batch.image)[:2], strict=True):
            np.testing.assert_allclose(recorded.numpy(), plain.numpy(), rtol=1e-4, atol=1e-5)
        recorded.sum().backward()
        assert all(p.grad is not None for p in trainer.model.head.head_reg.parameters())


def test_static_training_begins_with_the_losses_of_dynamic_training(tiny):
    first = []
    for name, flag in (("dynamic", "false"), ("static", "true")):
        train(tiny, f"filename={name}", f"to_static={flag}", "epoch=1")
        lines = (tiny.parent / "output" / name / "metrics.jsonl").read_text().splitlines()
        first.append(json.loads(lines[0])["loss"])
    assert first[0] == pytest.approx(first[1], rel=1e-4)  # rounding: the dynamic one used the CPU's kernels


def test_memory_is_reported(tiny, caplog):
    trainer, progress = build_trainer(make_run(tiny, "epoch=1"))
    with caplog.at_level("INFO"):
        fit(trainer, progress)
    assert "peak memory" in caplog.text
