"""Hours on a card that the recipes take, computed and not measured.  python3 benchmarks/gpu_hours.py [config ...]

A step takes the longest of three: launching its operators, its arithmetic, and moving its activations. Operations are
counted in a forward pass of the model, and of the teacher if there is one; a backward pass counts as two of them. A
convolution reads its input once; its output is written, read and written again by the norm (twice read), and by the
activation. Launches are those that benchmarks/device_traffic.py counts for S-320. Reading images and evaluations are
taken to hide behind the work of the card.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.measure import convolutions

# Assumptions: the peaks of a V100, with which the models were published, and the share of them that is reached.
FLOPS, BANDWIDTH, REACHED = 15.7e12, 900e9, 0.5
LAUNCH_SECONDS = 5e-6
FORWARD, REST = 331, 684  # launches: forward; losses, backward, optimizer and average
TOUCHES = 6  # times that the output of a convolution is written or read, in its norm and activation
IMAGES = 117266  # of COCO train2017 with boxes


@dataclass(frozen=True)
class Work:
    """Work of a forward pass for one image: operations (2 for a multiply-add) and bytes that are moved."""

    operations: float
    bytes: float

    def times(self, factor: float) -> Work:
        return Work(self.operations * factor, self.bytes * factor)

    def plus(self, other: Work) -> Work:
        return Work(self.operations + other.operations, self.bytes + other.bytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", help="default: all recipes")
    parser.add_argument("--images", type=int, default=IMAGES, help="of the training set (COCO's)")
    parser.add_argument("--cards", type=int, default=4, help="each with the config's batch")
    args = parser.parse_args()
    configs = args.configs or sorted((ROOT / "configs" / "picodet" / "recipes").glob("*.yml"))
    print(f"{args.images} images, {args.cards} cards; computed, not measured")
    print(f"{'config':24} {'batch':>5} {'epochs':>6} {'ms/step':>8} {'limit':>11} {'card hours':>10}")
    for config in configs:
        print(row(str(config), args.images, args.cards))


def row(config: str, images: int, cards: int) -> str:
    """The line of the table about a config."""
    from ppdet.catalog import load_classes
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config

    load_classes()
    builder = Builder(load_config(config))
    batch, epochs = builder.build("TrainReader").batch_size, builder.cfg["epoch"]
    limits = step_seconds(builder, batch)
    limit, seconds = max(limits.items(), key=lambda pair: pair[1])
    hours = epochs * (images // (batch * cards)) * seconds * cards / 3600
    return f"{Path(config).stem:24} {batch:5} {epochs:6} {1000 * seconds:8.1f} {limit:>11} {hours:10.1f}"


def step_seconds(builder: Any, batch: int) -> dict[str, float]:
    """The seconds of a step by what may limit it."""
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config

    sizes = builder.build("TrainReader")._sizes()
    pixels = sum(height * width for height, width in sizes) / len(sizes)
    trained_part = builder.cfg["PicoDet"].get("train_only")
    work = forward_work(builder, pixels).times(1 if trained_part else 3)  # a branch alone is almost nothing
    launches = FORWARD + REST
    if section := builder.cfg.get("Distillation"):
        work = work.plus(forward_work(Builder(load_config(section["teacher"])), pixels))
        launches += FORWARD
    return {
        "launches": launches * LAUNCH_SECONDS,
        "arithmetic": batch * work.operations / (FLOPS * REACHED),
        "memory": batch * work.bytes / (BANDWIDTH * REACHED),
    }


def forward_work(builder: Any, pixels: float) -> Work:
    """The work of the config's model for one image of so many pixels."""
    import paddle

    from ppdet.modeling import build_model

    paddle.set_device("cpu")
    model, side = build_model(builder), 320
    model.eval()
    multiplications, read, written = map(sum, zip(*convolutions(model, paddle.zeros([1, 3, side, side])), strict=True))
    return Work(2 * multiplications, 4 * (read + TOUCHES * written)).times(pixels / side**2)


if __name__ == "__main__":
    main()
