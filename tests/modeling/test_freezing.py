"""Training one part only: nothing else of the model changes by a single bit."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.modeling.cpu_training.layers import use_cpu_kernels
from ppdet.modeling.freezing import freeze_all_but
from tests.support.models import make_model, make_targets


@pytest.mark.parametrize("with_kernels", [False, True])
def test_only_the_branch_changes(with_kernels):
    model = make_model("PicoHeadE2E", num_classes=3)
    freeze_all_but(model, "head.one_to_one", "PicoDet.train_only")
    if with_kernels:
        use_cpu_kernels(model)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    optimizer = paddle.optimizer.Momentum(0.1, parameters=[p for p in model.parameters() if not p.stop_gradient])
    for _ in range(2):
        outputs = model(paddle.randn([2, 3, 64, 64]))
        model.criterion(outputs, make_targets([[[3, 3, 60, 60]], []]), 1000)["loss"].backward()
        optimizer.step()
        optimizer.clear_grad()
    for name, value in model.state_dict().items():
        if not name.startswith("head.one_to_one."):
            np.testing.assert_array_equal(value.numpy(), before[name], err_msg=name)
    changed = {name for name, value in model.state_dict().items() if (value.numpy() != before[name]).any()}
    assert {name for name in before if name.startswith("head.one_to_one.") and "norm._" in name} <= changed
    assert any(name.endswith("logits.weight") for name in changed)


def test_an_unknown_part():
    with pytest.raises(UserError, match=r"PicoDet.train_only: found 'head.onetoone'; expected a part of the model: "):
        freeze_all_but(make_model("PicoHeadE2E"), "head.onetoone", "PicoDet.train_only")
