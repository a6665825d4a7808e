"""Batches that break careless detectors: every loss must be finite and every parameter must get a finite gradient."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import paddle
import pytest

import ppdet.modeling
from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.modeling import PicoDet, Targets, build_model
from tests.golden import CONFIGS

load_classes()

CONFIG = {"PicoHeadV2": CONFIGS / "picodet_xs_320_coco_lcnet.yml",
          "PicoHead": CONFIGS / "legacy_model" / "picodet_s_320_coco.yml"}  # fmt: skip
PHASES = [("PicoHeadV2", 0), ("PicoHeadV2", 1000), ("PicoHead", 0)]
BOXES = {
    "no boxes": [[], []],
    "one box": [[[10, 20, 60, 90]], []],
    "a box of one pixel": [[[10, 20, 11, 21]], [[0, 0, 1, 1], [30.2, 30.2, 30.9, 30.9]]],
    "boxes without area": [[[10, 10, 10, 50]], [[0, 0, 0, 0]]],
    "the same box twice": [[[10, 20, 60, 90]] * 2, [[0, 0, 96, 64]] * 3],
    "more boxes than grid points": [[[4.0 * i, 3.0 * i, 4.0 * i + 20, 3.0 * i + 25] for i in range(40)], []],
}


def make_model(head: str, num_classes: int = 80) -> PicoDet:
    paddle.seed(0)
    model = build_model(Builder(load_config(CONFIG[head], [f"num_classes={num_classes}"])))
    model.train()
    return model


def make_targets(boxes: list[list[list[float]]]) -> Targets:
    count = max(1, *map(len, boxes))
    padded = np.zeros((len(boxes), count, 4), "float32")
    mask = np.zeros((len(boxes), count, 1), "float32")
    for i, rows in enumerate(boxes):
        padded[i, : len(rows)] = np.reshape(rows, (-1, 4))
        mask[i, : len(rows)] = 1
    classes = paddle.zeros([len(boxes), count, 1], dtype="int32")
    return Targets(classes, paddle.to_tensor(padded), paddle.to_tensor(mask))


def losses_of(model: PicoDet, boxes: list, epoch: int, size: tuple[int, int] = (64, 96)) -> dict[str, float]:
    """Forward and backward; checks the gradients and returns the losses."""
    image = paddle.randn([len(boxes), 3, *size])
    losses = model.loss(model(image), make_targets(boxes), epoch)
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
def test_boxes(head, epoch, boxes):
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
    padded = Targets(*(paddle.concat([t, paddle.zeros([2, 5, t.shape[2]], dtype=t.dtype)], axis=1) for t in targets))
    outputs = model(paddle.randn([2, 3, 64, 96]))
    for name, value in model.loss(outputs, targets, epoch).items():
        assert float(model.loss(outputs, padded, epoch)[name]) == pytest.approx(float(value), rel=1e-6), name


def test_upsampling_equals_nearest_interpolation():
    from ppdet.modeling.layers import upsample_to

    for size in [(8, 12), (7, 11), (7, 12)]:
        x = paddle.randn([2, 3, (size[0] + 1) // 2, (size[1] + 1) // 2])
        expected = paddle.nn.functional.interpolate(x, size=size, mode="nearest")
        np.testing.assert_array_equal(upsample_to(x, paddle.zeros([1, 1, *size])).numpy(), expected.numpy())


def test_modeling_never_waits_for_the_device():
    """`.numpy()`, `.item()`, `nonzero` and the like make the host wait: none in networks, losses and assigners."""
    waiting = {"numpy", "item", "tolist", "nonzero", "masked_select", "cpu"}
    root = Path(ppdet.modeling.__file__).parent
    found = [
        f"{path.relative_to(root)}:{node.lineno} .{node.func.attr}()"
        for path in sorted(root.rglob("*.py"))
        if path.name not in ("cpu.py", "nms.py")  # compute on the host by nature, and where a device has no kernel
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in waiting
    ]
    assert not found
