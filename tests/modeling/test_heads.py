"""Decoding, losses and their gradients of both heads against the loops of tests/references, on made-up predictions.

Tolerances: 1e-4 relative for sums over all points in float32 (measured: below 2e-6), 1e-3 for gradients.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle
import pytest

from ppdet.modeling import PicoDet
from ppdet.modeling.heads.base import HeadOutputs
from tests.modeling.test_assigners import CLASSES
from tests.modeling.test_training_edge_cases import PHASES, make_model, make_targets
from tests.references import assigners, boxes, heads, losses

GTS = [[[20, 10, 90, 70], [60, 30, 120, 90], [5, 40, 50, 92]], [[0, 0, 128, 96]], []]
GT_CLASSES = [[1, 4, 0], [2], []]


class Case(NamedTuple):
    """A model, what its head is made to predict on three images of 96 x 128, and the assignments by reference."""

    model: PicoDet
    outputs: HeadOutputs
    predicted: list[list[list[float]]]  # boxes in pixels
    assigned: list[assigners.Assigned]

    def points(self) -> list[tuple[list[float], float]]:
        grid = self.outputs.grid
        return list(zip(grid.points.numpy().tolist(), grid.strides[:, 0].numpy().tolist(), strict=True))


def make_case(head: str, epoch: int, seed: int = 0) -> Case:
    model = make_model(head, CLASSES)
    grid, rng = model.head.grid(96, 128), np.random.default_rng(seed)
    cls = rng.normal(-1, 1.5, (len(GTS), sum(grid.counts), CLASSES))
    cls = 1 / (1 + np.exp(-cls)) if head == "PicoHeadV2" else cls
    reg = rng.normal(0, 2, (len(GTS), sum(grid.counts), 4 * (model.head.reg_max + 1)))
    tensors = [paddle.to_tensor(np.float32(values), stop_gradient=False) for values in (cls, reg)]
    points, strides = grid.points.numpy().tolist(), grid.strides[:, 0].numpy().tolist()
    cls, reg = (tensor.numpy().tolist() for tensor in tensors)
    predicted = [list(map(boxes.decoded_box, points, strides, image)) for image in reg]
    assigned = []
    for scores, of_image, gts, classes in zip(cls, predicted, GTS, GT_CLASSES, strict=True):
        if head == "PicoHead":
            scores = [list(map(losses.sigmoid, row)) for row in scores]
            assigned.append(assigners.sim_ota(points, strides, scores, of_image, gts, classes))
        elif epoch:
            assigned.append(assigners.task_aligned(points, scores, of_image, gts, classes))
        else:
            assigned.append(assigners.atss(points, strides, grid.counts, of_image, gts, classes))
    return Case(model, HeadOutputs(*tensors, grid), predicted, assigned)


def targets():
    padded = make_targets(GTS)
    classes = [[[c] for c in image] + [[0]] * (3 - len(image)) for image in GT_CLASSES]
    return padded._replace(gt_class=paddle.to_tensor(np.int32(classes)))


def reference_of(head: str):
    return heads.legacy_losses if head == "PicoHead" else heads.eta_losses


def expected_losses(head: str, case: Case) -> tuple[dict[str, float], float, float]:
    """The three losses, and the divisors of the first and of the others."""
    function, total, positives = reference_of(head), np.zeros(4), 0
    for cls, reg, assigned in zip(*(x.numpy().tolist() for x in case.outputs[:2]), case.assigned, strict=True):
        for place, *predictions, label, gt, score in zip(case.points(), cls, reg, *assigned, strict=True):
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
    found = case.model.loss(case.outputs, targets(), epoch)
    expected, count, weight = expected_losses(head, case)
    assert min(count, weight) > 1
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("head", "epoch"), PHASES)
def test_gradients(head, epoch):
    """At every third point with an object, and at ten others."""
    case = make_case(head, epoch)
    case.model.loss(case.outputs, targets(), epoch)["loss"].backward()
    _, count, weight = expected_losses(head, case)
    giou, dfl = (2.0, 0.25) if head == "PicoHead" else (2.5, 0.5)
    cls, reg = (x.numpy().astype(np.float64) for x in case.outputs[:2])
    labels = np.array([labels for labels, _, _ in case.assigned])
    chosen = [*np.argwhere(labels >= 0)[::3], *np.argwhere(labels < 0)[::70]]
    for image, i in chosen:
        label, gt, score = (of_point[i] for of_point in case.assigned[image])
        place = case.points()[i]
        constant = {"weight": losses.sigmoid(max(cls[image, i]))} if head == "PicoHead" else {}

        def total(predictions: np.ndarray, place=place, truth=(label, gt, score), constant=constant) -> float:
            one = reference_of(head)(*place, predictions[:CLASSES], predictions[CLASSES:], *truth, **constant)
            return one.vfl / count + giou * one.bbox / weight + dfl * one.dfl / weight

        expected = losses.gradient(total, np.concatenate([cls[image, i], reg[image, i]]))
        found = np.concatenate([x.grad.numpy()[image, i] for x in case.outputs[:2]])
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("head", "epoch"), PHASES[1:])
def test_decoding(head, epoch):
    case = make_case(head, epoch)
    scores, found = case.model.head.decode(case.outputs)
    np.testing.assert_allclose(found.numpy(), case.predicted, rtol=1e-5, atol=1e-3)  # boxes of up to 500 pixels
    cls = case.outputs.cls.numpy().astype(np.float64)
    expected = 1 / (1 + np.exp(-cls)) if head == "PicoHead" else cls
    np.testing.assert_allclose(scores.numpy(), expected.transpose(0, 2, 1), rtol=1e-5)


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


def test_grid_of_an_image_counts_partial_cells():
    head = make_model("PicoHeadV2").head
    grid = head.grid(70, 100)
    points, strides = boxes.grid_points([(9, 13), (5, 7), (3, 4), (2, 2)], [8, 16, 32, 64], 0.5)
    assert list(map(tuple, grid.points.numpy().tolist())) == points
    assert grid.strides[:, 0].numpy().tolist() == strides
    assert head.cell_offset == make_model("PicoHead").head.cell_offset == 0.5


def test_the_assigner_changes_with_the_epoch():
    model = make_model("PicoHeadV2")
    model.head.static_assigner = lambda *arguments: "static"
    model.head.assigner = lambda *arguments: "task-aligned"
    grid = model.head.grid(64, 64)
    epochs = [0, model.head.static_assigner_epoch - 1, model.head.static_assigner_epoch, 299]
    found = [model.head.assign(None, None, grid, None, epoch) for epoch in epochs]
    assert found == ["static", "static", "task-aligned", "task-aligned"]
    assert model.head.static_assigner_epoch == 100


@pytest.mark.parametrize(("head", "prior_prob"), [("PicoHeadV2", 0.01), ("PicoHead", 0.01)])
def test_classes_start_at_the_prior_probability(head, prior_prob):
    head = make_model(head, CLASSES).head
    for conv in head.head_cls:
        assert conv.bias.numpy() == pytest.approx(np.full(conv.bias.shape, np.log(prior_prob / (1 - prior_prob))))
        assert float(conv.weight.std()) == pytest.approx(0.01, rel=0.2)
    assert not any(conv.bias.numpy().any() for conv in head.head_reg or ())
