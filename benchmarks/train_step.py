"""A training step on the CPU, the published way against ours.  python3 benchmarks/train_step.py

Published: Paddle's operators one by one, momentum parameter by parameter, the average entry by entry, Paddle's own CPU
settings. Ours: what tools/train.py does. Each lives in a process of its own; they take turns, step by step.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # runs from a clone, installed or not

from benchmarks.measure import convolutions, operator_launches, report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default=str(ROOT / "configs/picodet/picodet_s_320_coco_lcnet.yml"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in ("published", "ours"):
        pipes[name], end = spawn.Pipe()
        processes.append(spawn.Process(target=serve, args=(end, name == "ours", args)))
        processes[-1].start()
        end.close()
    ask = {name: lambda question, pipe=pipe: (pipe.send(question), pipe.recv())[1] for name, pipe in pipes.items()}
    losses = {name: ask[name]("step")[1] for name in ask}
    assert abs(losses["ours"] / losses["published"] - 1) < 1e-4, losses
    seconds: dict[str, list[float]] = {name: [] for name in ask}
    for _ in range(args.repeats):
        for name in ask:
            seconds[name].append(ask[name]("step")[0])
    print(f"batch {args.batch} at {args.size} pixels; first losses {losses['published']:.5f} and {losses['ours']:.5f}")
    report("seconds", seconds)
    report("launches", {name: [ask[name]("launches")] for name in ask})
    limit = ask["ours"]("limit")
    print(f"matrix products as large as the convolutions, forward and backward, alone: {limit:.3f} s")
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send("end")
        process.join()


def serve(pipe: Connection, ours: bool, args: argparse.Namespace) -> None:
    """Answer the questions that come through `pipe`."""
    answers = make_run(ours, args)
    while (question := pipe.recv()) != "end":
        pipe.send(answers[question]())


def make_run(ours: bool, args: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    import numpy as np
    import paddle

    from benchmarks.assigner import plain
    from ppdet.catalog import load_classes
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config
    from ppdet.modeling import Targets, build_model
    from ppdet.modeling.cpu_training.layers import use_cpu_kernels
    from ppdet.modeling.layers import ConvNormAct
    from ppdet.optim.ema import ModelEMA
    from ppdet.runtime.cpu_tuning import cpu_threads, tune_process, use_all_cores

    paddle.set_device("cpu")
    overrides = [] if ours else ["OptimizerBuilder.optimizer.use_multi_tensor=false"]
    load_classes()
    builder = Builder(load_config(args.config, overrides))
    paddle.seed(0)
    model = build_model(builder)
    model.train()
    if ours:
        use_all_cores()
        tune_process()
        use_cpu_kernels(model, cpu_threads())
        ema = ModelEMA(model)
        average = ema.update
    else:
        model.criterion.assigner = plain
        state = {name: paddle.zeros_like(value) for name, value in model.state_dict().items()}

        def average() -> None:
            for name, value in model.state_dict().items():
                state[name] = state[name] * 0.9998 + value.detach() * (1 - 0.9998)

    optimizer = builder.build("OptimizerBuilder")(0.01, model)
    rng = np.random.default_rng(0)
    image = paddle.to_tensor(rng.normal(size=(args.batch, 3, args.size, args.size)).astype("float32"))
    corner = rng.uniform(0, 0.6 * args.size, (args.batch, 10, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 0.4 * args.size, corner.shape)], axis=-1)
    classes = rng.integers(0, 80, (args.batch, 10, 1)).astype("int32")
    real = paddle.ones([args.batch, 10, 1])
    targets = Targets(paddle.to_tensor(classes), paddle.to_tensor(boxes.astype("float32")), real)

    def forward() -> paddle.Tensor:
        return model.criterion(model(image), targets, epoch=100)["loss"]

    def update() -> None:
        optimizer.step()
        optimizer.clear_grad()
        with paddle.no_grad():
            average()

    def step() -> tuple[float, float]:
        start = time.perf_counter()
        loss = forward()
        loss.backward()
        update()
        return time.perf_counter() - start, float(loss)

    def launches() -> int:
        """Of forward, loss, optimizer and average, through Paddle's operators, as on an accelerator."""
        for layer in model.sublayers():
            if isinstance(layer, ConvNormAct):
                layer.__class__ = ConvNormAct
        count = operator_launches(forward)
        forward().backward()
        return count + operator_launches(update)

    def limit() -> float:
        macs = sum(count for count, *_ in convolutions(model, image))
        a = paddle.rand([1024, 1024])
        rates = []
        for _ in range(7):
            start = time.perf_counter()
            a @ a
            rates.append(1024**3 / (time.perf_counter() - start))
        return 3 * macs / float(np.median(rates))

    return {"step": step, "launches": launches, "limit": limit}


if __name__ == "__main__":
    main()
