"""Pre-emption, kills and restarts of real training processes, on one rank and on two."""

from __future__ import annotations

import os
import random
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from ppdet.training.checkpoint_folder import newest_checkpoint, read_whole
from ppdet.utils.weight_files import read_arrays
from tests.support.processes import command, command_with, descendants, read_until, started, trainers
from tests.support.workspaces import ROOT, Workspace, coco_workspace

SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")


@pytest.fixture
def coco(tmp_path: Path) -> Workspace:
    return coco_workspace(tmp_path, train=12)  # 6 steps per epoch on one rank, 3 on two


def place(coco: Workspace) -> tuple[int, int]:
    """Epoch and step of the newest checkpoint."""
    newest = newest_checkpoint(coco.output)
    assert newest
    progress = read_whole(newest)["progress"]
    return progress["epoch"], progress["step"]


def test_sigterm_to_a_process_and_its_readers(coco):
    with started(coco, command(coco, "-o", "epoch=10000", "snapshot_epoch=10000", "worker_num=2")) as process:
        read_until(process, r"epoch 2/\d+ step 2/6")
        for _ in range(3):
            os.killpg(process.pid, signal.SIGTERM)  # as Paddle's launcher does
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 143, out
    assert out.splitlines()[-1] == "interrupted"
    assert "Traceback" not in out
    assert "Error" not in out
    epoch, step = place(coco)
    assert epoch * 6 + step >= 8


@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_two_trainings_in_one_folder(coco, tools, ranks):
    """The second is refused before it touches anything; a killed one leaves no lock."""
    long = ("-r", "auto", "-o", "epoch=10000", "snapshot_epoch=2", "worker_num=1")
    with started(coco, command(coco, *long, ranks=ranks)) as first:
        read_until(first, r"epoch 2/\d+ step 1/\d")
        owner = first.pid if ranks == 1 else trainers(first.pid)[0]
        unfinished = coco.output / ".7.0123.tmp.pdstate"
        unfinished.touch()
        for argv in (long, long[2:], ("-r", coco.output)):
            error = tools.fail("train", "-c", coco.config, *argv)
            assert error.startswith(f"{coco.output}: process {owner} on ")
        assert unfinished.exists()
        os.kill(owner, signal.SIGKILL)
        first.communicate(timeout=300)
    with started(coco, command(coco, *long)) as third:
        read_until(third, r"epoch \d+/\d+ step 1/6")
    assert not unfinished.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_while_reader_processes_are_stopped(coco, number):
    """As when their file system is gone: the data never comes."""
    argv = command(coco, "-o", "epoch=10000", "snapshot_epoch=10000", "worker_num=2")
    with started(coco, argv) as process:
        read_until(process, r"epoch 1/\d+ step 3/6")
        for reader in descendants(process.pid):
            os.kill(reader, signal.SIGSTOP)
        while select.select([process.stdout], [], [], 3)[0] and os.read(process.stdout.fileno(), 1 << 16):
            pass  # the batches that were made already
        process.send_signal(number)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 128 + number, out
    assert out.splitlines()[-1] == "interrupted"
    assert "Traceback" not in out
    epoch, step = place(coco)
    assert epoch * 6 + step >= 3


def test_stopped_reader_processes_end_the_training(coco, monkeypatch):
    monkeypatch.setenv("PPDET_READ_SECONDS", "2")
    argv = command(coco, "-o", "epoch=10000", "snapshot_epoch=10000", "worker_num=2")
    with started(coco, argv) as process:
        read_until(process, r"epoch 1/\d+ step 3/6")
        readers = descendants(process.pid)
        for reader in readers:
            os.kill(reader, signal.SIGSTOP)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 2, out
    assert re.fullmatch(r"error: \S+/\d+\.png: reading it has taken 2 s; .*PPDET_READ_SECONDS .*", out.splitlines()[-1])
    assert not any(Path(f"/proc/{reader}").exists() for reader in readers)


@pytest.mark.slow
def test_two_ranks_one_rank_two_ranks(coco):
    """Whichever rank is told, all stop after the same step, and another number of ranks goes on from there."""
    long = ("-r", "auto", "--eval", "-o", "snapshot_epoch=3", "worker_num=1")
    with started(coco, command(coco, *long, "epoch=10000", ranks=2)) as launcher:
        read_until(launcher, r"epoch 2/\d+ step 1/3")
        os.kill(trainers(launcher.pid)[1], signal.SIGTERM)
        out, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 143, out
    assert "code 143" in out
    epoch, step = place(coco)
    with started(coco, command(coco, *long, "epoch=10000")) as process:
        said = read_until(process, "step 2/6")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 143
    assert f"2 images per step instead of 4: the place is step {2 * step} of 6 of epoch {epoch + 1}" in said
    epoch, step = place(coco)
    with started(coco, command(coco, *long, f"epoch={epoch + 1}", ranks=2)) as launcher:
        out, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 0, out
    assert f"4 images per step instead of 2: the place is step {step // 2} of 3 of epoch {epoch + 1}" in out
    assert place(coco) == (epoch + 1, 0)
    done = subprocess.run(command(coco, *long, f"epoch={epoch + 1}"), capture_output=True, text=True)
    assert done.returncode == 0
    assert f"all {epoch + 1} epochs are done" in done.stderr


@pytest.mark.slow
def test_sigterm_to_the_launcher(coco):
    """It passes the signal on three times, to one rank after the other."""
    with started(coco, command(coco, "-o", "epoch=10000", "snapshot_epoch=10000", ranks=2)) as launcher:
        read_until(launcher, r"epoch 2/\d+ step 1/3")
        launcher.send_signal(signal.SIGTERM)
        out, _ = launcher.communicate(timeout=300)
    assert launcher.returncode in (signal.SIGTERM, 143), out  # its own way, or that of a process which ended first
    place(coco)
    for rank in range(2):
        assert (coco.root / "log" / f"workerlog.{rank}").read_text().splitlines()[-1] == "interrupted"


NAN_ON_ONE_RANK = """
step, count = train.train_step, 0
def broken(*args, **kwargs):
    global count
    count += 1
    losses = step(*args, **kwargs)
    worse = count >= (4 if distributed.rank() else 5)  # as when the gradients carry it over
    return {name: loss * float("nan") for name, loss in losses.items()} if worse else losses
train.train_step = broken
"""


def test_nan_on_one_rank_ends_all_of_them(coco):
    argv = command_with(coco, NAN_ON_ONE_RANK, "-o", "epoch=10000", "log_iter=100")
    done = subprocess.run(argv, cwd=coco.root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2, done.stdout
    for rank in range(2):
        error = (coco.root / "log" / f"workerlog.{rank}").read_text().splitlines()[-1]
        assert re.match(r"error: loss: became nan at step 4, images .*is kept \(rank 1\)$", error), error


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 2])
def test_kill_and_restart_loop(coco, ranks):
    """The loop of docs/distributed.md. What it ends with is what an uninterrupted run ends with."""
    text = (ROOT / "docs" / "distributed.md").read_text()
    loop = coco.root / "restart.sh"
    loop.write_text(re.search(r"```bash\n(#!/bin/bash\n# restart\.sh.*?)```", text, re.S)[1].replace("sleep 10", ""))
    argv = ["--eval", "-o", "epoch=12", "worker_num=1", "LearningRate.auto_scale=false"]
    with started(coco, ["bash", str(loop), *command(coco, "-r", "auto", *argv, ranks=ranks)]) as process:
        read_until(process, f"epoch 3/12 step {3 // ranks}/{6 // ranks}")
        os.kill(trainers(process.pid)[ranks - 1], signal.SIGKILL)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    assert ("status 137" if ranks == 1 else "Container rank 1 status") in out
    resumed = re.findall(r"(\S+): resuming at epoch \d+, step", out)
    assert len(resumed) == 1
    whole = command(coco, "-r", resumed[0], *argv, "filename=whole", ranks=ranks)
    subprocess.run(whole, check=True, capture_output=True, cwd=coco.root)
    for suffix in SUFFIXES:
        both = [read_arrays(folder / f"model_final{suffix}") for folder in (coco.output, coco.output.parent / "whole")]
        for content in both:
            content.pop("checksums", None)
        np.testing.assert_equal(*both)


def test_the_loop_gives_up_on_a_mistake(coco):
    text = (ROOT / "docs" / "distributed.md").read_text()
    loop = re.search(r"```bash\n(#!/bin/bash\n# restart\.sh.*?)```", text, re.S)[1]
    argv = ["bash", "-c", loop, "restart.sh", *command(coco, "-r", "auto", "-o", "epoch=0")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("error: epoch: ") == 1


@pytest.mark.slow
def test_sigterm_at_ten_random_moments(coco):
    """Every other one arrives while a checkpoint is written."""
    rng = random.Random(0)
    argv = command(
        coco,
        "--eval",
        "-r",
        "auto",
        "-o",
        "epoch=10000",
        "TrainReader.batch_size=6",
        "worker_num=1",
        "keep_last=2",
        "log_iter=1000",
    )
    before, in_a_save = (0, 0), 0
    for attempt in range(10):
        with started(coco, argv) as process:
            read_until(process, "steps per epoch")
            time.sleep(rng.uniform(0.5, 4))
            while attempt % 2 and not any(coco.output.glob(".*.tmp.*")):
                time.sleep(0.001)
            in_a_save += any(coco.output.glob(".*.tmp.*"))
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=300)
        assert process.returncode == 143, out
        newest = max(coco.output.glob("*.pdstate"), key=lambda file: file.stat().st_mtime_ns)
        read_whole(newest.with_suffix(""))  # the very newest one
        assert place(coco) >= before
        before = place(coco)
    assert before > (0, 0)
    assert in_a_save >= 4  # one may have ended meanwhile
    assert not list(coco.output.glob(".*"))
