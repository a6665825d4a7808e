"""Random predictions of both heads, with ground truths and the assignments that the references make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import paddle

from ppdet.modeling import PicoDet
from ppdet.modeling.structures import HeadOutputs, Targets
from tests.references import assigners, boxes, losses
from tests.support.assignments import CLASSES
from tests.support.models import make_model, make_targets

GTS = [[[20, 10, 90, 70], [60, 30, 120, 90], [5, 40, 50, 92]], [[0, 0, 128, 96]], []]
GT_CLASSES = [[1, 4, 0], [2], []]


class Case(NamedTuple):
    """A model, random predictions of its head on three images of 96 x 128, and their assignments by reference."""

    model: PicoDet
    outputs: HeadOutputs
    predicted: list[list[list[float]]]  # boxes in pixels
    assigned: list[assigners.Assigned]

    def places(self) -> list[tuple[list[float], float]]:
        """Each grid point and its stride."""
        grid = self.outputs.grid
        return list(zip(grid.points.numpy().tolist(), grid.strides[:, 0].numpy().tolist(), strict=True))


def make_case(head: str, epoch: int, seed: int = 0) -> Case:
    """The case of one of `PHASES`."""
    model = make_model(head, CLASSES)
    grid, rng = model.head.grid(96, 128), np.random.default_rng(seed)
    cls = rng.normal(-1, 1.5, (len(GTS), sum(grid.counts), CLASSES))
    cls = 1 / (1 + np.exp(-cls)) if head != "PicoHead" else cls
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


def targets() -> Targets:
    return make_targets(GTS, GT_CLASSES)
