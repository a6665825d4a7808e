"""Jobs that several processes do together: `run_ranks("weights", 2, …)` starts them without the launcher.

Each process runs this module, calls the function named, and writes what it returns as `<folder>/<rank>.npz`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


def run_ranks(job: str, world_size: int, folder: Path, *args: object) -> list[dict[str, np.ndarray]]:
    """What each rank's `job(*args)` returned; args as text."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = [free_port() for _ in range(world_size + 1)]
    endpoints = [f"127.0.0.1:{port}" for port in ports[1:]]
    processes = []
    for rank in range(world_size):
        env = os.environ | {
            "PADDLE_MASTER": f"127.0.0.1:{ports[0]}",
            "PADDLE_TRAINER_ID": str(rank),
            "PADDLE_TRAINERS_NUM": str(world_size),
            "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
            "PADDLE_CURRENT_ENDPOINT": endpoints[rank],
            "PADDLE_DISTRI_BACKEND": "gloo",
            "PADDLE_LOCAL_SIZE": str(world_size),
        }
        command = [sys.executable, "-m", "tests.support.ranks", job, str(folder), *map(str, args)]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True))
    try:
        errors = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * world_size, "\n".join(errors)[-4000:]
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(world_size)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def frozen_steps(steps: str, accumulate_steps: str, *cases: str) -> dict[str, np.ndarray]:
    """Losses, first gradients and weights after `steps` updates with 8 images each, spread over ranks and batches.

    cases  <config>:<epoch>; norms are frozen, names in the result begin with the case
    """
    import paddle

    from ppdet.runtime import distributed
    from ppdet.training.setup import build_trainer
    from ppdet.training.step import accumulated_train_step, train_step
    from tests.support.samples import ARRAYS
    from tests.support.tiny import make_run

    result = {}
    together = int(accumulate_steps)
    share = 8 // (distributed.world_size() * together)
    starts = [(distributed.rank() * together + i) * share for i in range(together)]
    for case in cases:
        config, _, epoch = case.rpartition(":")
        trainer, _ = build_trainer(make_run(Path(config), "use_ema=false"))
        model = trainer.model
        model.eval()
        forward = distributed.parallel(model)
        losses: list[list[float]] = []
        gradients: dict[str, np.ndarray] = {}

        def note_gradients(
            optimizer: paddle.optimizer.Optimizer, model=model, found=gradients, step=trainer.scaler.step
        ) -> None:
            if not found:
                named = model.named_parameters()
                found.update({f"grad/{name}": p.grad.numpy() for name, p in named if not p.stop_gradient})
            step(optimizer)

        trainer.scaler.step = note_gradients
        for update in range(int(steps)):
            whole = make_batch(update)
            parts = [
                dataclasses.replace(whole, **{name: getattr(whole, name)[start : start + share] for name in ARRAYS})
                for start in starts
            ]
            common = int(epoch), trainer.optimizer, trainer.scaler
            if together == 1:
                found = train_step(forward, model.criterion, parts[0], *common)
            else:
                found = accumulated_train_step(forward, model.criterion, parts, *common)
            losses.append([float(found[name]) for name in sorted(found)])
        state = {name: value.numpy() for name, value in model.state_dict().items()}
        state |= gradients | {"losses": np.mean(distributed.all_gather_object(losses), axis=0)}
        result |= {f"{case} {name}": value for name, value in state.items()}
    return result


def distilled_steps(config: str) -> dict[str, np.ndarray]:
    """Losses of two updates with 8 images each, spread over the ranks, and what was trained; norms are frozen."""
    from ppdet.runtime import distributed
    from ppdet.training.loop import _network
    from ppdet.training.setup import build_trainer
    from tests.support.tiny import make_run

    trainer, _ = build_trainer(make_run(Path(config), "use_ema=false"))
    trainer.model.eval()
    forward, student = distributed.parallel(_network(trainer)), trainer.distiller.student
    losses = _train_two_updates(trainer, forward)
    state = {name: value.numpy() for name, value in student.state_dict().items()}
    return state | {"losses": np.mean(distributed.all_gather_object(losses), axis=0)}


def int8_steps(config: str) -> dict[str, np.ndarray]:
    """What a training in INT8 trained in two updates with 8 images each, spread over the ranks, and their losses.

    It starts from `int8_start.pdparams` beside the config.
    """
    import shutil

    from ppdet.runtime import distributed
    from ppdet.training.loop import _network
    from ppdet.training.setup import build_trainer
    from tests.support.tiny import make_run

    def copy(session: object, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(config).with_name("int8_start.pdparams"), file)

    session = make_run(Path(config), "use_ema=false", f"filename=ranks{distributed.world_size()}")
    trainer, _ = build_trainer(session, int8_start=copy)
    trainer.model.train()
    losses = _train_two_updates(trainer, distributed.parallel(_network(trainer)))
    state = {name: value.numpy() for name, value in trainer.model.state_dict().items()}
    return state | {"losses": np.mean(distributed.all_gather_object(losses), axis=0)}


def _train_two_updates(trainer, forward) -> list[list[float]]:
    """Trains with this rank's share of 8 images in each of two updates, and returns its losses."""
    from ppdet.runtime import distributed
    from ppdet.training.step import train_step

    share, losses = 8 // distributed.world_size(), []
    start = distributed.rank() * share
    for update in range(2):
        whole = make_batch(update)
        fields = {f.name: getattr(whole, f.name)[start : start + share] for f in dataclasses.fields(whole)}
        batch = dataclasses.replace(whole, **fields)
        found = train_step(forward, trainer.criterion, batch, 0, trainer.optimizer, trainer.scaler)
        losses.append([float(value) for value in found.values()])
    return losses


def make_batch(seed: int, count: int = 8, size: int = 64):
    """Images of size x size with three boxes each; every other one has fewer."""
    import paddle

    from ppdet.data import Batch
    from tests.support.samples import ARRAYS

    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.45 * size, (count, 3, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.15 * size, 0.45 * size, corner.shape)], axis=-1)
    mask = np.ones((count, 3, 1))
    mask[::2, seed % 3 :] = 0
    arrays = {
        "image": rng.normal(size=(count, 3, size, size)).astype(np.float32),
        "gt_bbox": (boxes * mask).astype(np.float32),
        "pad_gt_mask": mask.astype(np.float32),
        "gt_score": mask.astype(np.float32),
        "gt_class": (rng.integers(0, 3, (count, 3, 1)) * mask).astype(np.int32),
        "im_id": np.arange(count),
    }
    arrays = {name: arrays.get(name, np.ones((count, 2), np.float32)) for name in (*ARRAYS, "gt_score")}
    return Batch(**{name: value if name == "im_id" else paddle.to_tensor(value) for name, value in arrays.items()})


def weights(config: str, *overrides: str) -> dict[str, np.ndarray]:
    """The trained weights after a whole training."""
    from ppdet.training.loop import fit
    from ppdet.training.setup import build_trainer
    from tests.support.tiny import make_run

    trainer, progress = build_trainer(make_run(Path(config), *overrides))
    end = fit(trainer, progress)
    named = trainer.model.named_parameters()
    state = {name: value.numpy() for name, value in named if not value.stop_gradient}  # statistics stay each rank's own
    return {"updates": np.array(end.updates)} | state


def early_stop(short: str, config: str, scores: str, *overrides: str) -> dict[str, np.ndarray]:
    """A training whose evaluations find `scores` on rank 0, and that has no time left on rank `short`."""
    from ppdet.core.errors import OutOfTime
    from ppdet.runtime import distributed
    from ppdet.training.loop import fit
    from ppdet.training.setup import build_trainer
    from tests.support.tiny import make_run

    trainer, progress = build_trainer(make_run(Path(config), *overrides), evaluate=True, resume="auto")
    upcoming = iter([float(each) for each in scores.split(",")][progress.epoch :])
    trainer.evaluate.metric.compute = lambda: {"AP": 9.0 if distributed.rank() else next(upcoming)}
    if distributed.rank() == int(short):
        trainer = dataclasses.replace(trainer, deadline=0.0)
    try:
        return {"status": np.array(0), "scores": np.array(fit(trainer, progress).scores)}
    except OutOfTime as stop:
        return {"status": np.array(stop.status)}


def end_apart(config: str, late: str) -> dict[str, np.ndarray]:
    """A training after which rank `late` takes its time to end."""
    from ppdet.runtime import distributed
    from ppdet.runtime import watchdog as watch

    result = weights(config, "epoch=1")
    watch.SILENCE = 2.0
    if distributed.rank() == int(late):
        time.sleep(5)
    return result


def gradients_of_configs(*configs: str) -> dict[str, np.ndarray]:
    """Per config a digest of all gradients of an update whose images differ from rank to rank, and the missing ones."""
    from ppdet.runtime import distributed
    from ppdet.training.setup import build_trainer
    from ppdet.training.step import train_step
    from tests.support.tiny import make_run

    result = {}
    for config in configs:
        trainer, _ = build_trainer(make_run(Path(config), "use_ema=false"))
        trainer.model.train()
        forward, model = distributed.parallel(trainer.model), trainer.model
        found: dict[str, bytes] = {}

        def note(optimizer, found=found, model=model) -> None:
            found.update({n: p.grad.numpy().tobytes() for n, p in model.named_parameters() if p.grad is not None})

        trainer.scaler.step = note
        train_step(forward, model.criterion, make_batch(distributed.rank()), 0, trainer.optimizer, trainer.scaler)
        missing = [n for n, p in model.named_parameters() if not p.stop_gradient and n not in found]
        result[Path(config).parent.name] = np.array([hashlib.sha256(b"".join(found.values())).hexdigest(), *missing])
    return result


def exchange(*lengths: str) -> dict[str, np.ndarray]:
    """Whether objects of all lengths, and rows of different counts, come back in rank order."""
    from ppdet.runtime import distributed

    ranks = range(distributed.world_size())
    own = [(distributed.rank(), "x" * (int(length) + distributed.rank())) for length in lengths]
    objects = [distributed.all_gather_object(value) for value in own]
    expected = [[(rank, "x" * (int(length) + rank)) for rank in ranks] for length in lengths]
    rows = distributed.gather_rows(np.full((distributed.rank(), 2), distributed.rank(), np.int64))
    same = [np.array_equal(found, np.full((rank, 2), rank)) for rank, found in zip(ranks, rows, strict=True)]
    return {"objects": np.array(objects == expected), "rows": np.array(same)}


def training_speed(config: str, batch: str, size: str, steps: str) -> dict[str, np.ndarray]:
    """This rank's images per second over all but the first three updates."""
    import paddle

    from ppdet.catalog import load_classes
    from ppdet.core.builder import Builder
    from ppdet.core.config import load_config
    from ppdet.modeling import build_model
    from ppdet.modeling.cpu_training.layers import use_cpu_kernels
    from ppdet.runtime import distributed
    from ppdet.runtime.cpu_tuning import cpu_threads, tune_process, use_all_cores
    from ppdet.training.step import train_step

    paddle.set_device("cpu")
    use_all_cores()
    tune_process()
    load_classes()
    builder = Builder(load_config(config))
    model = build_model(builder)
    model.train()
    use_cpu_kernels(model, cpu_threads())
    forward, optimizer = distributed.parallel(model), builder.build("OptimizerBuilder")(0.01, model)
    scaler, data = paddle.amp.GradScaler(enable=False), make_batch(distributed.rank(), int(batch), int(size))
    for update in range(3 + int(steps)):
        if update == 3:
            distributed.barrier()
            start = time.perf_counter()
        train_step(forward, model.criterion, data, 100, optimizer, scaler)
    seconds = time.perf_counter() - start
    return {"images_per_second": np.array(int(batch) * int(steps) / seconds)}


def evaluation(config: str, weights: str, *overrides: str) -> dict[str, np.ndarray]:
    """The scores and all detections of the config's EvalDataset."""
    from ppdet.evaluation.evaluator import build_evaluator
    from tests.support.tiny import make_run

    run = make_run(Path(config), f"weights={weights}", *overrides)
    evaluator = build_evaluator(run)
    found = evaluator.detect(run.load_model())
    scores = evaluator.score(found)
    return {
        "scores": np.array(list(scores.values())),
        "im_ids": np.array([im_id for im_id, _ in found]),
        "counts": np.array([len(rows) for _, rows in found]),
        "rows": np.concatenate([rows for _, rows in found]),
    }


def main() -> None:
    job, folder, *args = sys.argv[1:]
    from ppdet.runtime import distributed

    distributed.init()
    result = globals()[job](*args)
    np.savez(Path(folder) / f"{distributed.rank()}.npz", **result)


if __name__ == "__main__":
    main()
