"""Decoding, grid points and initial weights of both heads.

Tolerance of decoded boxes: 1e-3 pixels, boxes being up to 500 pixels in float32.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.references import boxes
from tests.support.head_cases import make_case
from tests.support.models import PHASES, make_model

CLASSES = 5


@pytest.mark.parametrize(("head", "epoch"), PHASES[1:])
def test_decoding(head, epoch):
    case = make_case(head, epoch)
    scores, found = case.model.head.decode(case.outputs)
    np.testing.assert_allclose(found.numpy(), case.predicted, rtol=1e-5, atol=1e-3)  # boxes of up to 500 pixels
    cls = case.outputs.cls.numpy().astype(np.float64)
    expected = 1 / (1 + np.exp(-cls)) if head == "PicoHead" else cls
    np.testing.assert_allclose(scores.numpy(), expected.transpose(0, 2, 1), rtol=1e-5)


def test_grid_of_an_image_counts_partial_cells():
    head = make_model("PicoHeadV2").head
    grid = head.grid(70, 100)
    points, strides = boxes.grid_points([(9, 13), (5, 7), (3, 4), (2, 2)], [8, 16, 32, 64], 0.5)
    assert list(map(tuple, grid.points.numpy().tolist())) == points
    assert grid.strides[:, 0].numpy().tolist() == strides
    assert head.cell_offset == make_model("PicoHead").head.cell_offset == 0.5


@pytest.mark.parametrize(("head", "prior_prob"), [("PicoHeadV2", 0.01), ("PicoHead", 0.01)])
def test_classes_start_at_the_prior_probability(head, prior_prob):
    head = make_model(head, CLASSES).head
    for conv in head.head_cls:
        assert conv.bias.numpy() == pytest.approx(np.full(conv.bias.shape, np.log(prior_prob / (1 - prior_prob))))
        assert float(conv.weight.std()) == pytest.approx(0.01, rel=0.2)
    assert not any(conv.bias.numpy().any() for conv in head.head_reg or ())
