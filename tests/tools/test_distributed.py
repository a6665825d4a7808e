"""Two processes on the CPU through Paddle's launcher, as the README types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.processes import command, command_with, read_until, started, trainers
from tests.support.workspaces import ROOT, Workspace, coco_workspace


def launch(coco: Workspace, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    tool = [str(ROOT / "tools" / f"{name}.py"), "-c", str(coco.config), *argv]
    return subprocess.run([*launcher, *tool], cwd=coco.root, capture_output=True, text=True, timeout=300)


def test_train_and_evaluate_on_two_processes(tmp_path: Path) -> None:
    coco = coco_workspace(tmp_path, train=12, val=5)
    content = coco.annotations("train")  # half of the images are empty: ranks differ in what gets gradients
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] % 2]
    coco.annotate("train", content)
    done = launch(coco, "train", "--eval", "-o", "epoch=1", "TrainDataset.allow_empty=true", "TrainReader.batch_size=1")
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert log.count("12 images, 6 steps per epoch") == 1  # rank 0 alone speaks
    assert "detected on 5 images" in log
    records = [json.loads(line) for line in (coco.output / "metrics.jsonl").read_text().splitlines()]
    assert [record["kind"] for record in records] == ["train"] * 6 + ["eval"]
    assert {path.stem for path in coco.output.glob("*.pdparams")} == {"model_final", "best_model"}

    has_extra = all(map(find_spec, ("jinja2", "matplotlib")))
    report = ["--report", f"{coco.root}/report"] if has_extra else []
    done = launch(coco, "eval", *report, "-o", f"weights={coco.output}/model_final")
    log = done.stdout + done.stderr
    assert done.returncode == 0, log
    assert log.count("report.html: written") == has_extra
    assert (coco.root / "report" / "report.json").is_file() == has_extra
    assert f"{records[-1]['AP']:.3f}" in next(line for line in log.splitlines() if "Average Precision" in line)
    assert log.count("IoU=0.75 ") == 1


# Waiting for a signal of life takes half a minute.
VICTIMS = [
    pytest.param(signal.SIGKILL, 1),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in ((signal.SIGKILL, 0), (signal.SIGSTOP, 0), (signal.SIGSTOP, 1))
    ),
]


@pytest.mark.parametrize(("number", "victim"), VICTIMS)
def test_a_dead_or_stopped_rank_ends_the_job_with_its_name(tmp_path: Path, number: int, victim: int) -> None:
    coco = coco_workspace(tmp_path, train=12, val=5)
    with started(coco, command(coco, "-o", "epoch=10000", "snapshot_epoch=10000", ranks=2)) as process:
        read_until(process, "step 2/3")
        os.kill(trainers(process.pid)[victim], number)
        said, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    # of a killed process the launcher hears at once
    name = f"Container rank {victim} status" if number == signal.SIGKILL else f"error: rank {victim}: no sign of life"
    assert name in said


LATE = """
leave = distributed.detach
def late():
    if distributed.rank() == {late}:
        time.sleep(2)
    leave()
distributed.detach = late
"""


@pytest.mark.slow
@pytest.mark.parametrize("late", [0, 1])
def test_a_rank_may_leave_after_the_others_have_gone(tmp_path: Path, late: int) -> None:
    coco = coco_workspace(tmp_path, train=12, val=5)
    argv = command_with(coco, LATE.format(late=late), "-o", "epoch=1")
    done = subprocess.run(argv, cwd=coco.root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in (coco.root / "log" / "workerlog.1").read_text()


FAULT = """
from pathlib import Path
from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.data.loading.loader import Loader
from ppdet import session
from ppdet.evaluation import evaluator
def fault(at):
    if distributed.rank() == {victim} and at == {at!r}:
        if at == "memory":
            raise MemoryError("(ResourceExhausted) Fail to alloc memory of 99 size")
        raise UserError(at + ".txt: cannot be read; mend it")
def before(owner, name, at):
    function = getattr(owner, name)
    setattr(owner, name, lambda *args, **options: (fault(at), function(*args, **options))[1])
before(session, "_check_model", "config")
before(session.Session, "load_dataset", "dataset")
before(train, "_log", "memory")
before(evaluator, "_padded", "evaluation")
notes = Loader._report_failures
def note(self, failures):
    self.batches = getattr(self, "batches", 0) + 1
    if self.batches == 5:
        fault("training")
    notes(self, failures)
Loader._report_failures = note
"""
PLACES = ["config", "dataset", "training", "memory", "evaluation"]


@pytest.mark.parametrize(
    ("at", "victim"),
    [
        ("training", 1),
        *(
            pytest.param(at, victim, marks=pytest.mark.slow)
            for at in PLACES
            for victim in (0, 1)
            if (at, victim) != ("training", 1)
        ),
    ],
)
def test_an_error_of_one_rank_ends_all_with_status_2(tmp_path: Path, at: str, victim: int) -> None:
    """A restart loop must not go on."""
    coco = coco_workspace(tmp_path, train=12, val=5)
    argv = command_with(coco, FAULT.format(at=at, victim=victim), "--eval", "-o", "epoch=50", "snapshot_epoch=3")
    done = subprocess.run(argv, cwd=coco.root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stdout + done.stderr
    expected = "batch_size: memory ran out ((ResourceExhausted" if at == "memory" else f"{at}.txt: cannot be read"
    for rank in range(2):
        last = (coco.root / "log" / f"workerlog.{rank}").read_text().splitlines()[-1]
        assert last.startswith(f"error: {expected}"), (rank, last)
        assert rank == victim or last.endswith(f"(rank {victim})"), (rank, last)


PAUSE = """
from ppdet.data.loading.loader import Loader
epoch, save, check = Loader.epoch, train.save_checkpoint, train._check_finite
def batches(self, number, *options):
    for batch in epoch(self, number, *options):
        if distributed.rank() == {victim} and number == 1:
            time.sleep({data})
        yield batch
def paused(function, victim):
    return lambda *args: (time.sleep({rest} if distributed.rank() == victim else 0), function(*args))[1]
Loader.epoch = batches
train.save_checkpoint, train._check_finite = paused(save, 0), paused(check, 1)
"""


@pytest.mark.parametrize("victim", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_stuck_rank_ends_the_job_with_its_name(tmp_path: Path, victim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its main thread hangs in the reader, while the thread that gives signs of life goes on."""
    monkeypatch.setenv("PPDET_HANG_SECONDS", "3")
    coco = coco_workspace(tmp_path, train=12, val=5)
    argv = command_with(coco, PAUSE.format(victim=victim, data=1000, rest=0), "-o", "epoch=5", "snapshot_epoch=5")
    with started(coco, argv) as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert f"error: rank {victim}: the others have waited for its update 4 for 3 s" in said
    assert "in batches\n    time.sleep(1000)" in said


@pytest.mark.slow
def test_a_slow_rank_is_not_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that come late, long saves on rank 0, and long work on rank 1 before them."""
    monkeypatch.setenv("PPDET_HANG_SECONDS", "4")
    coco = coco_workspace(tmp_path, train=12, val=5)
    argv = command_with(coco, PAUSE.format(victim=1, data=2, rest=8), "-o", "epoch=2")
    done = subprocess.run(argv, cwd=coco.root, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
