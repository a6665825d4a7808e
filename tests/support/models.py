"""Models, ground truths and boxes for tests of `ppdet.modeling`."""

from __future__ import annotations

import numpy as np
import paddle

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.modeling import PicoDet, Targets, build_model
from tests.golden import CONFIGS

load_classes()

CONFIG_OF_HEAD = {
    "PicoHeadV2": CONFIGS / "picodet_xs_320_coco_lcnet.yml",
    "PicoHeadE2E": CONFIGS / "picodet_xs_320_coco_lcnet.yml",
    "PicoHead": CONFIGS / "legacy_model" / "picodet_s_320_coco.yml",
}
PHASES = [("PicoHeadV2", 0), ("PicoHeadV2", 1000), ("PicoHead", 0)]  # head and epoch: ATSS, TAL, SimOTA


def make_model(head: str, num_classes: int = 80) -> PicoDet:
    """A model with this head, in training, with the same random weights each time."""
    paddle.seed(0)
    overrides = [f"num_classes={num_classes}", f"PicoDet.head={head}"]
    model = build_model(Builder(load_config(CONFIG_OF_HEAD[head], overrides)))
    model.train()
    return model


def make_targets(boxes: list[list[list[float]]], classes: list[list[int]] | None = None) -> Targets:
    """Padded ground truths from a list of boxes (and of their classes, or all 0) per image."""
    count = max(1, *map(len, boxes))
    padded = np.zeros((len(boxes), count, 4), np.float32)
    labels = np.zeros((len(boxes), count, 1), np.int32)
    mask = np.zeros((len(boxes), count, 1), np.float32)
    for i, rows in enumerate(boxes):
        padded[i, : len(rows)] = np.reshape(rows, (-1, 4))
        mask[i, : len(rows)] = 1
        if classes:
            labels[i, : len(rows), 0] = classes[i]
    return Targets(*map(paddle.to_tensor, (labels, padded, mask)))


def random_boxes(count: int, sides: tuple[float, float], seed: int) -> np.ndarray:
    """[count, 4] float32 xyxy, near enough to each other that many overlap; their sides are between `sides`."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(np.log(sides[0]), np.log(sides[1]), (count, 2)))
    corner = rng.uniform(-0.5, 0.5, (count, 2)) * sides[1]
    return np.hstack([corner, corner + size]).astype(np.float32)
