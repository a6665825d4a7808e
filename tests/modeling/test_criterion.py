"""Criteria: losses and gradients against the loops of tests/references, and batches that break careless detectors.

Tolerances: 1e-4 relative for sums over all points in float32 (measured: below 2e-6), 1e-3 for gradients.
"""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling import PicoDet
from ppdet.modeling.structures import Targets
from tests.references import assigners, heads, losses
from tests.references.peaks import peaks
from tests.support.assignments import CLASSES
from tests.support.head_cases import GT_CLASSES, GTS, Case, make_case, targets
from tests.support.models import PHASES, make_model, make_targets

BOXES = {
    "no boxes": [[], []],
    "one box": [[[10, 20, 60, 90]], []],
    "a box of one pixel": [[[10, 20, 11, 21]], [[0, 0, 1, 1], [30.2, 30.2, 30.9, 30.9]]],
    "boxes without area": [[[10, 10, 10, 50]], [[0, 0, 0, 0]]],
    "the same box twice": [[[10, 20, 60, 90]] * 2, [[0, 0, 96, 64]] * 3],
    "more boxes than grid points": [[[4.0 * i, 3.0 * i, 4.0 * i + 20, 3.0 * i + 25] for i in range(40)], []],
}


def reference_of(head: str):
    return heads.legacy_losses if head == "PicoHead" else heads.eta_losses


def expected_losses(head: str, case: Case) -> tuple[dict[str, float], float, float]:
    """The three losses, and the divisors of the first and of the others."""
    function, total, positives = reference_of(head), np.zeros(4), 0
    for cls, reg, assigned in zip(*(x.numpy().tolist() for x in case.outputs[:2]), case.assigned, strict=True):
        for place, *predictions, label, gt, score in zip(case.places(), cls, reg, *assigned, strict=True):
            total += function(*place, *predictions, label, gt, score)
            positives += label >= 0
    weight = max(1.0, total[3])
    count = max(1.0, positives) if head == "PicoHead" else weight
    giou, dfl = (2.0, 0.25) if head == "PicoHead" else (2.5, 0.5)
    values = {"loss_vfl": total[0] / count, "loss_bbox": giou * total[1] / weight, "loss_dfl": dfl * total[2] / weight}
    return values | {"loss": sum(values.values())}, count, weight


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_losses(head, epoch):
    case = make_case(head, epoch)
    found = case.model.criterion(case.outputs, targets(), epoch)
    expected, count, weight = expected_losses(head, case)
    assert min(count, weight) > 1
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_gradients(head, epoch):
    """At every third point with an object, and at ten others."""
    case = make_case(head, epoch)
    case.model.criterion(case.outputs, targets(), epoch)["loss"].backward()
    _, count, weight = expected_losses(head, case)
    giou, dfl = (2.0, 0.25) if head == "PicoHead" else (2.5, 0.5)
    cls, reg = (x.numpy().astype(np.float64) for x in case.outputs[:2])
    labels = np.array([labels for labels, _, _ in case.assigned])
    chosen = [*np.argwhere(labels >= 0)[::3], *np.argwhere(labels < 0)[::70]]
    for image, i in chosen:
        label, gt, score = (of_point[i] for of_point in case.assigned[image])
        place = case.places()[i]
        constant = {"weight": losses.sigmoid(max(cls[image, i]))} if head == "PicoHead" else {}

        def total(predictions: np.ndarray, place=place, truth=(label, gt, score), constant=constant) -> float:
            one = reference_of(head)(*place, predictions[:CLASSES], predictions[CLASSES:], *truth, **constant)
            return one.vfl / count + giou * one.bbox / weight + dfl * one.dfl / weight

        expected = losses.gradient(total, np.concatenate([cls[image, i], reg[image, i]]))
        found = np.concatenate([x.grad.numpy()[image, i] for x in case.outputs[:2]])
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_losses_of_mixed_precision_are_float32(head, epoch):
    case = make_case(head, epoch)
    half = case.outputs._replace(cls=case.outputs.cls.astype("float16"), reg=case.outputs.reg.astype("float16"))
    full = case.outputs._replace(cls=half.cls.astype("float32"), reg=half.reg.astype("float32"))
    found, expected = (case.model.criterion(outputs, targets(), epoch) for outputs in (half, full))
    for name, value in expected.items():
        assert found[name].dtype == paddle.float32
        assert float(found[name]) == float(value), name


def test_the_one_to_one_loss_of_mixed_precision_is_float32():
    model = make_model("PicoHeadE2E", CLASSES)
    outputs = model(paddle.randn([3, 3, 96, 128]))
    half = outputs._replace(one_to_one=tuple(scores.astype("float16") for scores in outputs.one_to_one))
    full = outputs._replace(one_to_one=tuple(scores.astype("float32") for scores in half.one_to_one))
    found, expected = (model.criterion(each, targets(), 1000)["loss_o2o"] for each in (half, full))
    assert found.dtype == paddle.float32
    assert float(found) == float(expected)
    found.backward()
    gradients = [p.grad for gate in model.head.one_to_one for p in gate.logits.parameters()]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_the_reduced_divisor_is_used(head, epoch):
    """As if another process had found three times as much."""
    case = make_case(head, epoch)
    criterion = case.model.criterion
    alone = criterion(case.outputs, targets(), epoch)
    shared = criterion(case.outputs, targets(), epoch, lambda avg_factor: lambda: 4 * avg_factor)
    for name, value in alone.items():
        assert float(shared[name]) == pytest.approx(float(value) / 4, rel=1e-6), name


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_losses_are_computed_while_the_divisor_is_made(head, epoch):
    case, events = make_case(head, epoch), []
    criterion = case.model.criterion

    def noted(name, call):
        return lambda *arguments: (events.append(name), call(*arguments))[1]

    for name in ("loss_class", "loss_bbox", "loss_dfl"):
        setattr(criterion, name, noted(name, getattr(criterion, name)))
    criterion(case.outputs, targets(), epoch, noted("begin", lambda avg_factor: noted("end", lambda: avg_factor)))
    assert events == ["begin", "loss_bbox", "loss_dfl", "loss_class", "end"]


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_boxes_that_count_one_change_no_bit_and_others_count_less(head, epoch):
    case = make_case(head, epoch)
    plain, criterion = targets(), case.model.criterion
    expected = criterion(case.outputs, plain, epoch)
    for name, value in criterion(case.outputs, plain._replace(gt_score=plain.pad_gt_mask), epoch).items():
        assert float(value) == float(expected[name]), name
    half = plain._replace(gt_score=plain.pad_gt_mask * 0.5)
    whole, less = (criterion.match(case.outputs, of, epoch) for of in (plain, half))
    np.testing.assert_array_equal(less.assigned.scores.numpy(), whole.assigned.scores.numpy() * np.float32(0.5))
    np.testing.assert_array_equal(less.assigned.labels.numpy(), whole.assigned.labels.numpy())
    factor = 1 if head == "PicoHead" else 0.5  # the legacy head weighs its box losses by the predictions
    np.testing.assert_array_equal(less.weight.numpy(), whole.weight.numpy() * np.float32(factor))


def test_the_assigner_changes_with_the_epoch():
    model = make_model("PicoHeadV2")
    model.criterion.static_assigner = lambda *arguments: "static"
    model.criterion.assigner = lambda *arguments: "task-aligned"
    grid = model.head.grid(64, 64)
    epochs = [0, model.criterion.static_assigner_epoch - 1, model.criterion.static_assigner_epoch, 299]
    found = [model.criterion.assign(None, None, grid, None, epoch) for epoch in epochs]
    assert found == ["static", "static", "task-aligned", "task-aligned"]
    assert model.criterion.static_assigner_epoch == 100


def losses_of(model: PicoDet, boxes: list, epoch: int, size: tuple[int, int] = (64, 96)) -> dict[str, float]:
    """Forward and backward; checks the gradients and returns the losses."""
    image = paddle.randn([len(boxes), 3, *size])
    losses = model.criterion(model(image), make_targets(boxes), epoch)
    losses["loss"].backward()
    for name, parameter in model.named_parameters():
        if not parameter.stop_gradient:
            assert parameter.grad is not None, f"{name} gets no gradient"
            assert np.isfinite(parameter.grad.numpy()).all(), f"{name}'s gradient is not finite"
    values = {name: float(value) for name, value in losses.items()}
    assert np.isfinite(list(values.values())).all()
    return values


@pytest.mark.parametrize("boxes", BOXES.values(), ids=BOXES.keys())
@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_awkward_boxes(head, epoch, boxes):
    losses = losses_of(make_model(head), boxes, epoch)
    if not any(boxes):
        assert losses["loss_bbox"] == losses["loss_dfl"] == 0
        assert losses["loss_vfl"] > 0


@pytest.mark.parametrize("size", [(64, 64), (97, 131), (33, 161), (320, 32)])
@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_image_sizes(head, epoch, size):
    losses_of(make_model(head), [[[3, 3, 25, 30]], [[1, 2, 20, 31], [5, 5, 30, 20]]], epoch, size)


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_one_class(head, epoch):
    losses_of(make_model(head, num_classes=1), [[[10, 20, 60, 50]], []], epoch)


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_padding_changes_nothing(head, epoch):
    model = make_model(head)
    boxes = [[[10, 20, 60, 50], [30, 5, 90, 60]], [[5, 5, 40, 40]]]
    targets = make_targets(boxes)
    padded = Targets(
        *(paddle.concat([t, paddle.zeros([2, 5, t.shape[2]], dtype=t.dtype)], axis=1) for t in targets[:3])
    )
    outputs = model(paddle.randn([2, 3, 64, 96]))
    for name, value in model.criterion(outputs, targets, epoch).items():
        assert float(model.criterion(outputs, padded, epoch)[name]) == pytest.approx(float(value), rel=1e-6), name


def test_one_to_one_loss():
    """Against the loops: the peaks of the branch's scores, one point for each box, the varifocal loss of all points."""
    case, rng = make_case("PicoHeadE2E", 1000), np.random.default_rng(1)
    sizes = [(12, 16), (6, 8), (3, 4), (2, 2)]
    maps = [np.float32(rng.random((3, CLASSES, *size))) for size in sizes]
    outputs = case.outputs._replace(one_to_one=tuple(map(paddle.to_tensor, maps)))
    found = case.model.criterion(outputs, targets(), 1000)
    total, points = 0.0, case.outputs.grid.points.numpy().tolist()
    for image, (gts, classes) in enumerate(zip(GTS, GT_CLASSES, strict=True)):
        per_class = [peaks([level[image, kind].tolist() for level in maps]) for kind in range(CLASSES)]
        flat = [[score for rows in levels for row in rows for score in row] for levels in per_class]
        scores = [list(of_point) for of_point in zip(*flat, strict=True)]
        labels, _, qualities = assigners.task_aligned(points, scores, case.predicted[image], gts, classes, topk=1)
        assert sum(quality > 0 for quality in qualities) == len(gts)
        for of_point, label, quality in zip(scores, labels, qualities, strict=True):
            total += sum(
                losses.varifocal(score, quality * (kind == label) if quality else 0.0)
                for kind, score in enumerate(of_point)
            )
    _, divisor, _ = expected_losses("PicoHeadE2E", case)
    assert float(found["loss_o2o"]) == pytest.approx(total / divisor, rel=1e-4)
    others = float(found["loss_vfl"] + found["loss_bbox"] + found["loss_dfl"])
    assert float(found["loss"]) == pytest.approx(others + total / divisor, rel=1e-4)


@pytest.mark.parametrize("boxes", BOXES.values(), ids=BOXES.keys())
def test_awkward_boxes_of_the_one_to_one_branch(boxes):
    model = make_model("PicoHeadE2E")
    found = model.criterion(model(paddle.randn([len(boxes), 3, 64, 96])), make_targets(boxes), 0)
    found["loss"].backward()
    assert np.isfinite([float(value) for value in found.values()]).all()
    gradients = {name: p.grad for name, p in model.head.one_to_one.named_parameters() if name.endswith("logits.bias")}
    assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients.values())
    assert len(gradients) == 4
