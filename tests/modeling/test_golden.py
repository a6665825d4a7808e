"""Networks, losses and gradients against measurements of PaddleDetection (shared/golden), on the weights made there.

Tolerances: 1e-4 relative for outputs and losses, 1e-3 for gradients, whose sums differ in their order; the measured
differences are below 3e-6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppdet.weights.published_names import published_name, to_published
from tests.golden import ESNET, LCNET, SATURATED, Golden, relative_difference

# ATSS and TAL; the legacy head has one phase. Networks of 416 and 640 pixels are those of 320 with other weights.
PHASES = [(name, epoch) for name in LCNET for epoch in (0, 1000)]
LARGE = ("416", "640")


def training_cases(cases: list[tuple[str, int]]) -> list[Any]:
    return [pytest.param(*case, marks=pytest.mark.slow if any(n in case[0] for n in LARGE) else ()) for case in cases]


@pytest.fixture(scope="module", params=[*LCNET, *ESNET])
def golden(request, shared):
    return Golden(shared, request.param)


@pytest.fixture(scope="module")
def model(golden):
    return golden.model()


def sample(tensor: paddle.Tensor, count: int = 2000) -> np.ndarray:
    flat = tensor.numpy().reshape(-1)
    return flat[:: max(1, flat.size // count)][:count]


def test_state_dict_has_the_published_names_and_shapes(golden, model):
    published = to_published(model, {name: value.numpy() for name, value in model.state_dict().items()})
    assert {name: list(value.shape) for name, value in published.items()} == golden.facts["state_dict"]


def test_outputs(golden, model):
    model.eval()
    with paddle.no_grad():
        features = model.backbone(golden.image())
        pyramid = model.neck(features)
        outputs = model.head(pyramid)
        scores, boxes = model.head.decode(outputs)
    for i, feature in enumerate(features):
        assert relative_difference(sample(feature), golden.arrays[f"backbone{i}_sample"]) < 1e-4
    for i, feature in enumerate(pyramid):
        assert relative_difference(sample(feature), golden.arrays[f"neck{i}_sample"]) < 1e-4
    assert relative_difference(scores, golden.arrays["eval_scores"]) < 1e-4
    assert relative_difference(boxes, golden.arrays["eval_boxes"]) < 1e-4
    counts = list(outputs.grid.counts)
    levels = zip(model.head.probabilities(outputs.cls).split(counts, 1), outputs.reg.split(counts, 1), strict=True)
    for i, (cls, reg) in enumerate(levels):
        assert relative_difference(cls.numpy().reshape(-1)[:4000], golden.arrays[f"raw_cls{i}_sample"]) < 1e-4
        assert relative_difference(reg.numpy().reshape(-1)[:4000], golden.arrays[f"raw_reg{i}_sample"]) < 1e-4


# of golden scores that saturate at 1.0 NMS keeps arbitrary ones; test_outputs compares those models
@pytest.mark.parametrize("golden", [name for name in (*LCNET, *ESNET) if name not in SATURATED], indirect=True)
def test_detections(golden, model):
    model.eval()
    height, width = golden.facts["eval_size"]
    with paddle.no_grad():
        outputs = model(golden.image())
        bbox, bbox_num = model.predict(outputs, paddle.to_tensor([[height / 480, width / 640]], dtype="float32"))
    assert bbox_num.numpy().tolist() == golden.arrays["bbox_num"].tolist()
    np.testing.assert_array_equal(bbox.numpy()[:, 0], golden.arrays["bbox"][:, 0])
    assert relative_difference(bbox, golden.arrays["bbox"]) < 1e-4


@pytest.mark.parametrize(
    ("golden", "epoch"), training_cases([*PHASES, *((name, 0) for name in ESNET)]), indirect=["golden"]
)
def test_losses_and_gradients(golden, epoch):
    key = f"epoch{epoch}"
    fresh = golden.model()  # norm statistics move in training
    fresh.train()
    image, targets = golden.training_batch()
    losses = fresh.criterion(fresh(image), targets, epoch)
    for name, expected in golden.facts[f"losses_{key}"].items():
        assert float(losses[name]) == pytest.approx(expected, rel=1e-4), name
    losses["loss"].backward()
    parameters = {published_name(name): p for name, p in fresh.named_parameters()}
    largest = np.nanmax(golden.arrays[f"grad_norm_{key}"])
    norms, dots = golden.arrays[f"grad_norm_{key}"], golden.arrays[f"grad_dot_{key}"]
    for name, norm, dot in zip(golden.facts["named_parameters"], norms, dots, strict=True):
        if name not in parameters or parameters[name].grad is None:
            continue
        gradient = parameters[name].grad.numpy().astype(np.float64)
        # a shift in front of another norm has gradient 0: what was measured there is rounding
        assert np.linalg.norm(gradient) == pytest.approx(norm, rel=1e-3, abs=1e-6 * largest), name
        probe = golden.inputs.rng("dot" + name).standard_normal(gradient.shape)
        assert (gradient * probe).sum() == pytest.approx(dot, rel=1e-3, abs=1e-3 * norm + 1e-6 * largest), name


@pytest.mark.parametrize(("golden", "epoch"), training_cases(PHASES), indirect=["golden"])
def test_assignment(golden, epoch):
    key = f"epoch{epoch}"
    fresh = golden.model()
    fresh.train()
    image, targets = golden.training_batch()
    with paddle.no_grad():
        outputs = fresh(image)
        scores, boxes = fresh.head.decode(outputs)
    assigned = fresh.criterion.assign(scores.transpose([0, 2, 1]), boxes, outputs.grid, targets, epoch)
    labels = golden.arrays[f"assigned_labels_{key}"]
    np.testing.assert_array_equal(assigned.labels.numpy(), labels)
    positive = labels < fresh.head.num_classes
    np.testing.assert_allclose(
        assigned.boxes.numpy()[positive], golden.arrays[f"assigned_bboxes_{key}"][positive], rtol=1e-4
    )
    np.testing.assert_allclose(assigned.scores.numpy(), golden.arrays[f"assigned_scores_{key}"], rtol=1e-3, atol=1e-5)
