"""The detector: what it predicts is in pixels of the original images."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from tests.support.head_cases import make_case
from tests.support.models import PHASES, make_model


@pytest.mark.parametrize(("head", "epoch"), PHASES[1:])
def test_predicted_boxes_are_in_original_pixels(head, epoch):
    case = make_case(head, epoch)
    factors = np.float32([[0.5, 2], [1, 1], [0.25, 0.8]])  # y, x
    bbox, bbox_num = case.model.predict(case.outputs, paddle.to_tensor(factors))
    assert bbox_num.numpy().tolist() == [100, 100, 100]
    scores = case.model.head.decode(case.outputs)[0].numpy()
    image = np.repeat([0, 1, 2], 100)
    for row, b in zip(bbox.numpy(), image, strict=True):
        i = np.flatnonzero(scores[b, int(row[0])] == row[1])[0]
        x1, y1, x2, y2 = case.predicted[b][i]
        y, x = factors[b]
        np.testing.assert_allclose(row[2:], [x1 / x, y1 / y, x2 / x, y2 / y], rtol=1e-5, atol=1e-2)


@pytest.mark.parametrize("head", ["PicoHeadV2", "PicoHead"])
def test_every_parameter_gets_a_gradient_through_the_criterion(head):
    """The criterion is the head's; it has no parameters of its own."""
    model = make_model(head)
    assert model.criterion is model.head.criterion
    outputs = model(paddle.randn([2, 3, 64, 64]))
    (outputs.cls.sum() + outputs.reg.sum()).backward()
    assert not [name for name, p in model.named_parameters() if not p.stop_gradient and p.grad is None]
