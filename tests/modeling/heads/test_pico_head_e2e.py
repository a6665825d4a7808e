"""The head that needs no NMS beside the one it extends, which has the same weights."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling import PicoDet
from tests.support.models import make_model, make_targets

CLASSES = 3


@pytest.fixture(scope="module")
def pair() -> tuple[PicoDet, PicoDet]:
    """PicoHeadE2E and PicoHeadV2 with equal weights, in training."""
    ours, theirs = (make_model(head, CLASSES) for head in ("PicoHeadE2E", "PicoHeadV2"))
    theirs.set_state_dict({name: ours.state_dict()[name] for name in theirs.state_dict()})
    return ours, theirs


def test_the_present_head_is_untouched(pair):
    """Its predictions, losses and gradients, bit by bit."""
    image, targets = paddle.randn([2, 3, 64, 96]), make_targets([[[10, 20, 60, 50], [5, 5, 40, 40]], [[0, 0, 90, 60]]])
    found, expected = (model(image) for model in pair)
    for a, b in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    ours, theirs = (
        model.criterion(outputs, targets, 1000) for model, outputs in zip(pair, (found, expected), strict=True)
    )
    assert list(ours) == [*theirs, "loss_o2o"]
    assert [float(ours[name]) for name in theirs if name != "loss"] == [
        float(theirs[name]) for name in theirs if name != "loss"
    ]
    assert float(ours["loss"]) == pytest.approx(float(theirs["loss"]) + float(ours["loss_o2o"]))
    ours["loss"].backward()
    theirs["loss"].backward()
    grads = [{name: p.grad for name, p in model.named_parameters() if p.grad is not None} for model in pair]
    for name, grad in grads[1].items():
        np.testing.assert_array_equal(grads[0][name].numpy(), grad.numpy(), err_msg=name)
    assert {name.split(".")[1] for name in grads[0].keys() - grads[1].keys()} == {"one_to_one"}
    for model in pair:
        model.clear_gradients()


def test_an_untrained_branch_scales_all_scores(pair):
    outputs = pair[0](paddle.randn([1, 3, 64, 64]))
    maps = [x.flatten(2).transpose([0, 2, 1]).numpy() for x in outputs.one_to_one]
    np.testing.assert_allclose(np.concatenate(maps, axis=1), outputs.cls.numpy() / (1 + np.exp(-3)), rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (70, 100)])
def test_predictions_are_the_best_peaks(pair, size):
    model = pair[0]
    model.eval()
    with paddle.no_grad():
        outputs = model(paddle.randn([2, 3, *size]))
        boxes, scores = (x.numpy() for x in model.decode(outputs, paddle.ones([2, 2])))
        bbox, bbox_num = (x.numpy() for x in model.predict(outputs, paddle.ones([2, 2])))
    model.train()
    attrs = model.head.nms.attrs
    for image, rows in enumerate(np.split(bbox, np.cumsum(bbox_num)[:-1])):
        candidates = np.sort(scores[image][scores[image] > attrs["score_threshold"]])[::-1]
        np.testing.assert_array_equal(rows[:, 1], candidates[: attrs["keep_top_k"]])
        for kind, score, *box in rows[:5]:
            points = np.flatnonzero(scores[image, int(kind)] == np.float32(score))
            assert np.float32(box).tolist() in boxes[image, points].tolist()
