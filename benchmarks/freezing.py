"""A training step on the CPU with the backbone trained and frozen: time and memory.  python3 benchmarks/freezing.py

The two take turns, step by step, in one process; seconds are processor time, which other programs do not change.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default="picodet_m_320_coco_lcnet")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    import numpy as np

    from benchmarks.measure import report

    steps = {"trained": make_step(args, frozen=False), "frozen": make_step(args, frozen=True)}
    for step in steps.values():
        step()  # the first one compiles and allocates
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(args.repeats):
        for name, step in steps.items():
            found[name].append(step())
    report("seconds", {name: [seconds for seconds, _ in values] for name, values in found.items()})
    report("MB", {name: [megabytes for _, megabytes in values] for name, values in found.items()})
    trained, frozen = (np.median([seconds for seconds, _ in found[name]]) for name in ("trained", "frozen"))
    print(f"frozen / trained: {frozen / trained:.2f}")


def make_step(args: argparse.Namespace, frozen: bool) -> Callable[[], tuple[float, float]]:
    """Returns a function that trains one step, and returns its seconds and how much memory it took, in MB."""
    import numpy as np
    import paddle

    from ppdet.catalog import load_classes
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config
    from ppdet.modeling import Targets, build_model
    from ppdet.modeling.cpu_training.layers import use_cpu_kernels
    from ppdet.runtime.cpu_tuning import cpu_threads, tune_process

    paddle.set_device("cpu")
    tune_process()
    load_classes()
    cfg = load_config(args.config)
    backbone = cfg["PicoDet"]["backbone"]
    last = len(build_model(Builder(cfg)).backbone.stages()) - 1
    overrides = [f"{backbone}.freeze_at={last if frozen else -1}", f"{backbone}.freeze_norm={str(frozen).lower()}"]
    builder = Builder(load_config(args.config, overrides))
    model = build_model(builder)
    model.train()
    use_cpu_kernels(model, cpu_threads())
    optimizer = builder.build("OptimizerBuilder")(0.01, model)
    rng = np.random.default_rng(0)
    image = paddle.to_tensor(rng.normal(size=(args.batch, 3, args.size, args.size)).astype("float32"))
    corner = rng.uniform(0, 0.6 * args.size, (args.batch, 10, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 0.4 * args.size, corner.shape)], axis=-1)
    classes = paddle.zeros([args.batch, 10, 1], "int32")
    targets = Targets(classes, paddle.to_tensor(boxes.astype("float32")), paddle.ones([args.batch, 10, 1]))

    def step() -> tuple[float, float]:
        start, before = time.process_time(), _allocated()
        loss = model.criterion(model(image), targets, epoch=100)["loss"]
        held = _allocated() - before  # for the backward pass
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        return time.process_time() - start, held / 1e6

    return step


def _allocated() -> int:
    import paddle

    return int(paddle.base.core.host_memory_stat_current_value("Allocated", 0))


if __name__ == "__main__":
    main()
