"""A training step, evaluation and the Detector beside other work.  python3 benchmarks/busy.py [--model <export>]

Situations: alone, beside 2 and 4 processes that only count, beside the reader's own 2 workers, with a quota of one core
(a control group where that is allowed, else the affinity). In each, the published way and ours live in processes of
their own that are started in it, and take turns. Published: as in train_step.py, evaluate.py and deploy.py.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PPDET_SHARED", ROOT.parent / "shared"))
sys.path[0] = str(ROOT)  # not beside it: deploy.py there has the name of a package

from benchmarks.measure import report

SITUATIONS = ("alone", "2 busy", "4 busy", "own workers", "one core")
GROUPS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
PERIOD = 100_000  # microseconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-c", "--config", default=str(ROOT / "configs/picodet/picodet_s_320_coco_lcnet.yml"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--situations", nargs="+", default=SITUATIONS, choices=SITUATIONS)
    parser.add_argument("--dataset_dir", type=Path, default=SHARED / "data/coco_tiny", help="for its own workers")
    parser.add_argument("--model", type=Path, help="an export of the published weights: the Detector is measured too")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--published", type=Path, default=SHARED / "weights/picodet_xs_320_lcnet_postprocessed.onnx")
    parser.add_argument("--image", type=Path, default=SHARED / "data/coco_tiny/val2017/000000017627.jpg")
    args = parser.parse_args()
    for situation in args.situations:
        print(situation, flush=True)
        with busy_processes(int(situation[0]) if situation.endswith("busy") else 0):
            measure(situation, args)


def measure(situation: str, args: argparse.Namespace) -> None:
    """Print the medians of both ways for everything that is measured."""
    spawn = multiprocessing.get_context("spawn")
    pipes = {}
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(one_core_group()) if situation == "one core" else None
        for name in ("published", "ours"):
            pipes[name], end = spawn.Pipe()
            process = spawn.Process(target=serve, args=(end, name == "ours", situation, group, args))
            process.start()
            stack.callback(process.join)
            stack.callback(pipes[name].send, "end")
            end.close()
        questions = ["step"] if situation == "own workers" else ["step", "evaluate", *(["detect"] * bool(args.model))]
        for question in questions:
            seconds: dict[str, list[float]] = {name: [] for name in pipes}
            for repeat in range(args.repeats + 2):
                for name, pipe in pipes.items():
                    pipe.send(question)
                    if repeat < 2:
                        pipe.recv()  # warm-up
                    else:
                        seconds[name].append(pipe.recv())
            report("s", {f"{question}, {name}": values for name, values in seconds.items()})


@contextlib.contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """`count` processes that keep a core busy each."""
    processes = [multiprocessing.get_context("spawn").Process(target=count_forever, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    time.sleep(0.5 * bool(count))
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def count_forever() -> None:
    number = 0
    while True:
        number += 1


@contextlib.contextmanager
def one_core_group() -> Iterator[Path | None]:
    """A control group with a quota of one core; None where none can be made."""
    for top in GROUPS:
        group = top / f"ppdet_busy_{os.getpid()}"
        try:
            group.mkdir()
            if (group / "cpu.max").exists():
                (group / "cpu.max").write_text(f"{PERIOD} {PERIOD}")
            else:
                (group / "cpu.cfs_quota_us").write_text(str(PERIOD))
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    yield None


def serve(pipe: Connection, ours: bool, situation: str, group: Path | None, args: argparse.Namespace) -> None:
    """Answer with the seconds of what comes through `pipe`."""
    if group:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    elif situation == "one core":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if ours:
        from ppdet.deploy.libraries import prepare_libraries

        prepare_libraries()
    answers = make_answers(ours, situation == "own workers", args)
    while (question := pipe.recv()) != "end":
        start = time.perf_counter()
        answers[question]()
        pipe.send(time.perf_counter() - start)


def make_answers(ours: bool, with_reader: bool, args: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    from benchmarks.train_step import make_run

    step = make_run(ours, args)["step"]
    answers: dict[str, Callable[[], Any]] = {"step": step}
    if with_reader:
        batches = endless_batches(args)
        answers["step"] = lambda: (next(batches), step())
    else:
        answers["evaluate"] = make_evaluation(ours, args)
    if args.model:
        answers["detect"] = make_detection(ours, args)
    return answers


def endless_batches(args: argparse.Namespace) -> Iterator[Any]:
    """Batches of two workers, which read ahead, as in training."""
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config

    dataset = [
        f"TrainDataset.dataset_dir={args.dataset_dir}",
        "TrainDataset.image_dir=train2017",
        "TrainDataset.anno_path=annotations/instances_train2017.json",
    ]
    builder = Builder(load_config(args.config, [*dataset, f"TrainReader.batch_size={args.batch}", "worker_num=2"]))
    loader = builder.build("TrainReader").bind(builder.build(builder.cfg["TrainDataset"]).load())
    for epoch in range(10**9):
        yield from loader.epoch(epoch)


def make_evaluation(ours: bool, args: argparse.Namespace) -> Callable[[], Any]:
    """Detection on one batch, as evaluation does it."""
    import numpy as np
    import paddle

    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config
    from ppdet.evaluation.predictor import make_predictor, predict
    from ppdet.modeling import build_model

    model = build_model(Builder(load_config(args.config)))
    model.eval()
    rng = np.random.default_rng(0)
    image = paddle.to_tensor(rng.normal(size=(args.batch, 3, args.size, args.size)).astype("float32"))
    scale_factor = paddle.ones([args.batch, 2])
    run = make_predictor(model, 5000) if ours else lambda *inputs: predict(model, *inputs)
    return lambda: run(image, scale_factor)


def make_detection(ours: bool, args: argparse.Namespace) -> Callable[[], Any]:
    from benchmarks.deploy import plain

    if not ours:
        return plain(args.published, str(args.image), 0, 0.5)
    from ppdet.deploy import Detector

    detector = Detector(args.model, args.backend, threshold=0.5)
    return lambda: detector.detect(str(args.image))


if __name__ == "__main__":
    main()
