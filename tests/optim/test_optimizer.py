"""Every optimizer, regularizer and clip that a config can name, built through the config and stepped once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from paddle import ParamAttr, nn
from paddle.regularizer import L2Decay

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.optim.optimizer import OptimizerBuilder


def build(**options: Any) -> OptimizerBuilder:
    return Builder(Config({"OptimizerBuilder": options})).build("OptimizerBuilder")


class Two(nn.Layer):
    """A weight that decays and one, as in norms, that does not; both 2 at the start."""

    def __init__(self) -> None:
        super().__init__()
        two = nn.initializer.Constant(2.0)
        self.plain = self.create_parameter([2], ParamAttr(initializer=two))
        self.norm = self.create_parameter([2], ParamAttr(initializer=two, regularizer=L2Decay(0.0)))


def stepped(builder: OptimizerBuilder, gradient: float = 0.0, rate: float = 0.5) -> tuple[float, float]:
    """The two weights after one step with `gradient` for both."""
    model = Two()
    optimizer = builder(rate, model)
    (gradient * (model.plain.sum() + model.norm.sum())).backward()
    optimizer.step()
    return float(model.plain.numpy()[0]), float(model.norm.numpy()[0])


@pytest.mark.parametrize(
    "optimizer",
    [
        {"type": "SGD"},
        {"type": "Momentum", "momentum": 0, "use_nesterov": True},
        {"type": "Adam", "beta1": 0.5, "epsilon": 1, "lazy_mode": False},
        {"type": "AdamW", "weight_decay": 0},
        {"type": "Adamax", "beta2": 0.9},
        {"type": "Adagrad", "initial_accumulator_value": 1},
        {"type": "Adadelta", "rho": 0.9},
        {"type": "RMSProp", "rho": 0.5, "momentum": 0.5, "centered": True},
    ],
    ids=lambda options: options["type"],
)
def test_every_type_goes_down_the_gradient(optimizer: dict[str, Any]) -> None:
    builder = build(optimizer=optimizer, regularizer={"type": "L2", "factor": 0}, clip_grad_by_norm=100)
    for weight in stepped(builder, gradient=1.0, rate=1):  # ints wherever there may be one
        assert weight < 2


def test_sgd_with_weight_decay_and_without() -> None:
    sgd = {"type": "SGD"}
    # w - rate * (gradient + factor * w), and the sign of w for L1
    assert stepped(build(optimizer=sgd, regularizer={"type": "L2", "factor": 0.1})) == pytest.approx((1.9, 2))
    assert stepped(build(optimizer=sgd, regularizer={"type": "L1", "factor": 0.1})) == pytest.approx((1.95, 2))
    for nothing in (None, False, "None"):
        assert stepped(build(optimizer=sgd, regularizer=nothing)) == (2, 2)


def test_momentum_with_weight_decay() -> None:
    """velocity = 0.9 * velocity + gradient + decay * weight; weight -= rate * velocity."""
    builder = build(optimizer={"type": "Momentum", "momentum": 0.9}, regularizer={"type": "L2", "factor": 0.1})
    model, weight, velocity = Two(), 2.0, 0.0
    optimizer = builder(0.0, model)
    for gradient, rate in ((1.0, 0.1), (-3.0, 0.2), (0.5, 0.05)):
        optimizer.set_lr(rate)
        (gradient * model.plain.sum()).backward()
        optimizer.step()
        optimizer.clear_grad()
        velocity = 0.9 * velocity + gradient + 0.1 * weight
        weight -= rate * velocity
        assert model.plain.numpy() == pytest.approx([weight, weight], rel=1e-6)


def test_frozen_parameters_stay() -> None:
    model = Two()
    model.plain.stop_gradient = True
    optimizer = build(optimizer={"type": "SGD"}, regularizer={"type": "L2", "factor": 0.1})(0.5, model)
    (model.plain.sum() + model.norm.sum()).backward()
    optimizer.step()
    assert model.plain.numpy().tolist() == [2, 2]
    assert model.norm.numpy() == pytest.approx([1.5, 1.5])


@pytest.mark.parametrize(
    "optimizer",
    [{"type": "SGD"}, {"type": "Momentum", "momentum": 0.5}, {"type": "Momentum", "use_multi_tensor": False}],
)
def test_shares_of_the_learning_rate(optimizer: dict[str, Any]) -> None:
    """weight -= factor * rate * (gradient + decay * weight), with momentum on a first step."""
    model = Two()
    model.plain.optimize_attr["learning_rate"] = 0.25
    step = build(optimizer=optimizer, regularizer={"type": "L2", "factor": 0.1})(0.5, model)
    (model.plain.sum() + model.norm.sum()).backward()
    step.step()
    assert model.plain.numpy() == pytest.approx([2 - 0.25 * 0.5 * 1.2] * 2)
    assert model.norm.numpy() == pytest.approx([1.5] * 2)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"params": ["nor"], "learning_rate": 0.5}, (1.4, 1.75)),
        ({"params": ["norm"], "weight_decay": 0.2}, (1.4, 1.3)),
        ({"params": ["plain", "nothing"], "weight_decay": 0, "learning_rate": 0}, (2, 1.5)),
        ({"params": ["n"], "learning_rate": 0.1, "weight_decay": 0.2}, (1.93, 1.93)),
        ({"params": ["^n.*m$"], "learning_rate": 0.5}, (1.4, 1.75)),  # searched for, as in PaddleDetection
        ({"params": ["^(?!norm)"], "learning_rate": 0}, (2, 1.5)),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["SGD", "Momentum"])
def test_groups(kind: str, group: dict[str, Any], expected: tuple[float, float]) -> None:
    """A group replaces the factor of the rate and the decay of its parameters, each if it gives one."""
    options = {"type": kind, "param_groups": [group]}
    builder = build(optimizer=options, regularizer={"type": "L2", "factor": 0.1})
    assert stepped(builder, gradient=1.0) == pytest.approx(expected)


@pytest.mark.parametrize("decay", [0.0, 0.2, 1.0])
def test_groups_of_adamw(decay: float) -> None:
    """Without a gradient only the decay moves a weight: by the factor 1 - rate * decay."""
    groups = [{"params": ["norm"], "weight_decay": decay, "learning_rate": 0.5}]
    builder = build(optimizer={"type": "AdamW", "weight_decay": 0.1, "param_groups": groups})
    assert stepped(builder) == pytest.approx((1.9, 2 - 0.5 * decay))
    only_rate = build(
        optimizer={"type": "AdamW", "weight_decay": 0.1, "param_groups": [{"params": ["pl"], "learning_rate": 0.5}]}
    )
    assert stepped(only_rate) == pytest.approx((1.95, 2))


def test_groups_know_the_published_names() -> None:
    builder = build(optimizer={"type": "SGD", "param_groups": [{"params": ["head.x"], "learning_rate": 0}]})
    model = Two()
    optimizer = builder(0.5, model, lambda name: f"head.x.{name}" if name == "norm" else name)
    (model.plain.sum() + model.norm.sum()).backward()
    optimizer.step()
    assert (model.plain.numpy() == 1.5).all()
    assert (model.norm.numpy() == 2).all()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            [{"params": ["backbon"]}],
            "0.params: no parameter's name contains backbon; expected parts of names, which begin",
        ),
        ([{"params": ["(norm"]}], "0.params: '(norm' is no regular expression (missing ), unterminated subpattern"),
        ([{"params": []}], "0.params: no parameter's name contains nothing"),
        ([{"params": ["n"]}, {"params": ["norm"]}], "1.params: norm is in group 0 as well; name it in one"),
        ([{"learning_rate": 1}], "0.params: required, not given"),
        ([{"params": ["n"], "lr": 1}], "0.lr: no option"),
        ([{"params": ["n"], "learning_rate": -1}], "0.learning_rate: expected at least 0, found -1"),
    ],
    ids=str,
)
def test_wrong_groups(groups: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(UserError) as error:
        stepped(build(optimizer={"type": "SGD", "param_groups": groups}))
    assert str(error.value).startswith(f"OptimizerBuilder.optimizer.param_groups.{message}")


@pytest.mark.parametrize("clip", [{}, {"clip_grad_by_norm": 0.1}, {"clip_grad_by_value": 0.05}], ids=str)
def test_adamw_by_hand(clip: dict[str, float]) -> None:
    """Several steps with a share of the rate, as in algorithm 2 of Loshchilov and Hutter; the norm does not decay."""
    options = {"type": "AdamW", "weight_decay": 0.3, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01}
    model = Two()
    model.plain.optimize_attr["learning_rate"] = 0.25
    optimizer = build(optimizer=options, **clip)(0.1, model)
    values, means, squares = np.array([2.0, 2.0]), np.zeros(2), np.zeros(2)
    rates, decays = 0.1 * np.array([0.25, 1]), np.array([0.3, 0])
    for step, gradient in enumerate((1.0, -3.0, 0.5), 1):
        (gradient * (model.plain.sum() + model.norm.sum())).backward()
        optimizer.step()
        optimizer.clear_grad()
        if clip:  # four equal gradients
            gradient = np.sign(gradient) * (0.1 / 2 if "clip_grad_by_norm" in clip else 0.05)
        means, squares = 0.8 * means + 0.2 * gradient, 0.95 * squares + 0.05 * gradient**2
        update = means / (1 - 0.8**step) / (np.sqrt(squares / (1 - 0.95**step)) + 0.01)
        values = values * (1 - rates * decays) - rates * update
    found = [float(each.numpy()[0]) for each in (model.plain, model.norm)]
    np.testing.assert_allclose(found, values, rtol=1e-5)


def test_adamw_decays_by_its_own_option(caplog: pytest.LogCaptureFixture) -> None:
    assert stepped(build(optimizer={"type": "AdamW", "weight_decay": 0.1})) == pytest.approx((1.9, 2))
    assert stepped(build(optimizer={"type": "AdamW"})) == pytest.approx((1.99, 2))
    assert caplog.messages == []
    assert stepped(build(optimizer={"type": "AdamW"}, regularizer={"type": "L2", "factor": 0.1}))[0] == pytest.approx(
        1.99
    )
    assert caplog.messages == ["OptimizerBuilder.regularizer: not used; AdamW decays by its weight_decay, 0.01"]


def test_clips() -> None:
    sgd = {"type": "SGD"}
    by_norm, by_value = build(optimizer=sgd, clip_grad_by_norm=1), build(optimizer=sgd, clip_grad_by_value=0.25)
    assert stepped(by_norm, gradient=3.0) == pytest.approx((1.75, 1.75))  # four gradients of 1 / 2
    assert stepped(by_value, gradient=3.0) == pytest.approx((1.875, 1.875))
    with pytest.raises(UserError, match=r"^OptimizerBuilder\.clip_grad_by_value: clip_grad_by_norm is set as well"):
        build(optimizer=sgd, clip_grad_by_norm=1, clip_grad_by_value=1)


def test_null_takes_away_what_a_base_set() -> None:
    builder = build(optimizer={"type": "AdamW", "momentum": None}, regularizer=None)
    assert np.isfinite(stepped(builder)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": {"type": "Momentum", "momentum": 5}}, "optimizer.momentum: expected below 1, found 5"),
        ({"optimizer": {"type": "Momentum", "momentun": 0}}, "optimizer.momentun: no option of Momentum; did you mean"),
        (
            {"optimizer": {"type": "AdamW", "momentum": 0.9}},
            "optimizer.momentum: no option of AdamW; the nearest known",
        ),
        ({"optimizer": {"type": "Adam", "beta1": 1}}, "optimizer.beta1: expected below 1, found 1"),
        ({"optimizer": {"type": "adamw"}}, "optimizer.type: expected one of SGD, Momentum, Adam, AdamW, AdamWDL, Ada"),
        ({"optimizer": {"momentum": 0.9}}, "optimizer.type: required, not given; expected one of SGD, "),
        (
            {"optimizer": {"type": "SGD"}, "regularizer": {"type": "L2", "factr": 1}},
            "regularizer.factr: no option of L2",
        ),
        ({"optimizer": {"type": "SGD"}, "regularizer": {"type": "L2"}}, "regularizer.factor: required, not given"),
        (
            {"optimizer": {"type": "SGD"}, "regularizer": {"type": "L3", "factor": 1}},
            "regularizer.type: expected one of",
        ),
        (
            {"optimizer": {"type": "SGD"}, "regularizer": {"type": "L2", "factor": -1}},
            "regularizer.factor: expected at least 0, found -1",
        ),
        ({"optimizer": {"type": "SGD"}, "clip_grad_by_norm": 0}, "clip_grad_by_norm: expected above 0, found 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        build(**options)
    assert str(error.value).startswith(f"OptimizerBuilder.{message}")


def test_an_int_is_a_learning_rate() -> None:
    assert build(optimizer={"type": "SGD"})(1, Two()).get_lr() == 1.0
