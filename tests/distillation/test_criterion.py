"""The divisors of the differences are those of the model's own losses, and both heads have their own kind of scores."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.distillation.criterion import DistillationCriterion, DistilledSums, at_points, most_certain
from ppdet.distillation.losses import BoxDistillation, ClassDistillation, Predictions
from ppdet.distillation.network import DistilledOutputs, StudentOutputs
from ppdet.distillation.teacher import TeacherOutputs
from ppdet.modeling.structures import LossSums
from tests.support.models import make_model
from tests.support.ranks import make_batch


def test_each_difference_has_the_divisor_of_its_kind():
    own = LossSums(*(paddle.to_tensor(value) for value in (2.0, 6.0, 9.0)))
    sums = DistilledSums(own, [ClassDistillation(), BoxDistillation()], [paddle.to_tensor(8.0), paddle.to_tensor(12.0)])
    losses = sums.normalize(paddle.to_tensor([2.0, 3.0]))
    assert {name: float(value) for name, value in losses.items()} == {
        "loss": 1 + 2 + 3 + 4 + 4,
        "loss_vfl": 1,
        "loss_bbox": 2,
        "loss_dfl": 3,
        "loss_distill_cls": 4,
        "loss_distill_box": 4,
    }


@pytest.mark.parametrize("head", ["PicoHeadV2", "PicoHead"])
def test_scores_are_compared_as_probabilities(head):
    """Those of PicoHead are logits."""
    model = make_model(head, num_classes=3)
    model.eval()
    batch = make_batch(1, count=2)
    outputs = model(batch.image)
    other = outputs._replace(cls=outputs.cls * 0.5)
    criterion = DistillationCriterion(model, [ClassDistillation(gamma=0)])
    both = DistilledOutputs(StudentOutputs(outputs, None), TeacherOutputs(other, None))
    matched = criterion.match(both, batch.targets, 0)
    count = -(-outputs.cls.shape[1] // 4)
    for found, given in ((matched.student.prob, outputs.cls), (matched.teacher.prob, other.cls)):
        scores = given.numpy() if head == "PicoHeadV2" else 1 / (1 + np.exp(-given.numpy()))
        best = np.sort(scores.max(-1), axis=-1)[:, -count:]
        np.testing.assert_allclose(np.sort(found.numpy().max(-1), axis=-1), best, rtol=1e-5)
    assert list(matched.student.reg.shape) == [2, count, 4, 8]
    own = model.criterion(outputs, batch.targets, 0)
    losses = criterion(both, batch.targets, 0)
    for name in ("loss_vfl", "loss_bbox", "loss_dfl"):
        assert float(losses[name]) == pytest.approx(float(own[name]), rel=1e-6)
    assert float(losses["loss"]) == pytest.approx(float(own["loss"] + losses["loss_distill_cls"]), rel=1e-5)


def test_the_points_are_those_of_the_teacher_in_all_predictions():
    rng = np.random.default_rng(0)
    arrays = [rng.random(shape).astype(np.float32) for shape in ((2, 9, 3), (2, 9, 4, 8), (2, 9, 5))]
    index = most_certain(paddle.to_tensor(arrays[0]))
    assert list(index.shape) == [2, 3]
    for image in range(2):
        expected = np.argsort(arrays[0][image].max(-1))[-3:]
        assert set(index.numpy()[image]) == set(expected)
    for found, given in zip(at_points(Predictions(*map(paddle.to_tensor, arrays)), index), arrays, strict=True):
        for image in range(2):
            np.testing.assert_array_equal(found.numpy()[image], given[image][index.numpy()[image]])
