"""Learning rate, one optimizer step, norm statistics and EMA against PaddleDetection (shared/golden)."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.optim.ema import ModelEMA
from ppdet.weights.published_names import published_name
from tests.golden import ESNET, LCNET, Golden, relative_difference

STEPS_PER_EPOCH = 100  # of the golden measurement


@pytest.fixture(scope="module", params=[*LCNET, *ESNET])
def golden(request, shared):
    return Golden(shared, request.param)


def test_learning_rate_of_every_step(golden):
    schedule = golden.builder.build("LearningRate")
    first = [schedule.at(step, STEPS_PER_EPOCH) for step in range(400)]
    np.testing.assert_array_equal(np.float32(first), golden.arrays["lr_first400"].astype(np.float32))
    every97 = [schedule.at(97 * i, STEPS_PER_EPOCH) for i in range(len(golden.arrays["lr_every97"]))]
    np.testing.assert_array_equal(np.float32(every97), golden.arrays["lr_every97"].astype(np.float32))


@pytest.mark.parametrize("golden", [LCNET[0], LCNET[4], ESNET[0], ESNET[2]], indirect=True)
def test_one_step_moves_every_parameter_as_far(golden):
    model = golden.model()
    model.train()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    learning_rate = golden.builder.build("LearningRate").at(0, STEPS_PER_EPOCH)
    optimizer = golden.builder.build("OptimizerBuilder")(learning_rate, model)
    image, targets = golden.training_batch()
    model.criterion(model(image), targets, epoch=0)["loss"].backward()
    optimizer.step()
    after = {published_name(name): (name, value) for name, value in model.state_dict().items()}
    moves = dict(zip(golden.facts["named_parameters"], golden.arrays["step_delta_norm"], strict=True))
    for name, (ours, value) in after.items():
        if name in moves and not name.endswith(("_mean", "_variance")):
            moved = np.linalg.norm((value.numpy() - before[ours]).astype(np.float64))
            # abs: parameters whose gradient is 0 but for rounding, see tests/modeling/test_golden.py
            assert moved == pytest.approx(moves[name], rel=1e-3, abs=1e-6), name
    for name, mean in zip(golden.facts["bn_buffers"], golden.arrays["bn_after_mean"], strict=True):
        assert float(after[name][1].mean()) == pytest.approx(mean, rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize("golden", [LCNET[0], ESNET[0]], indirect=True)
def test_ema(golden):
    model = golden.model()
    options = golden.facts["ema_kwargs"]
    ema = ModelEMA(model, options["decay"], options["ema_decay_type"], options["cycle_epoch"])
    name = next(n for n in model.state_dict() if published_name(n) == golden.facts["ema_probe"])
    probe = model.state_dict()[name]
    base = probe.clone()
    for i in range(5):
        probe.set_value(base * (1 + 0.1 * i))
        ema.update()
    assert relative_difference(paddle.to_tensor(ema.state()[name]), golden.arrays["ema_state"]) < 1e-6
    assert relative_difference(ema.averaged()[name], golden.arrays["ema_applied"]) < 1e-6


def test_ema_starts_anew_each_cycle():
    model = paddle.nn.Linear(2, 2)
    ema = ModelEMA(model, cycle_epoch=2)
    ema.update()
    ema.start_epoch(1)
    assert ema.step == 1
    ema.start_epoch(2)
    assert ema.step == 0
    assert not ema.state()["weight"].any()
