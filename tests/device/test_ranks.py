"""Two processes of the launcher, each on a plug-in device of its own, which talk through the plug-in's collectives."""

from __future__ import annotations

import os
import signal

import pytest

from ppdet.training.checkpoint_folder import newest_checkpoint, read_whole
from tests.device.compare import assert_alike
from tests.device.conftest import Trained
from tests.device.machine import KIND, TWO_EPOCHS, Machine
from tests.support.processes import command, command_with, read_until, started, trainers
from tests.support.workspaces import Workspace

LONG = ("epoch=10000", "snapshot_epoch=10000")
SILENCE = """
from ppdet.runtime import watchdog
watchdog.SILENCE = 4.0  # instead of 25 seconds
"""


@pytest.fixture
def job(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """What processes are started from, in an environment that has the devices."""
    for name, value in machine.environment(PADDLE_XCCL_BACKEND=KIND).items():
        monkeypatch.setenv(name, value)
    return Workspace(machine.folder)


def logs(job: Workspace) -> list[str]:
    return [(job.root / "log" / f"workerlog.{rank}").read_text() for rank in range(2)]


def test_two_ranks_are_as_on_the_cpu(trained: Trained) -> None:
    """Four updates of two images on each rank."""
    settings = (*TWO_EPOCHS, "TrainReader.batch_size=2")
    cpu = trained.machine.train_ranks_on_cpu("ranks-cpu", *settings)
    assert_alike(trained.machine.train_ranks("ranks", *settings), cpu)


@pytest.mark.slow
def test_a_killed_rank_ends_the_job_with_its_name(job: Workspace) -> None:
    with started(job, command(job, "-o", *LONG, ranks=2)) as launcher:
        read_until(launcher, "step 2/2")
        os.kill(trainers(launcher.pid)[1], signal.SIGKILL)
        out, _ = launcher.communicate(timeout=300)
    assert launcher.returncode not in (0, 2, 130)
    assert "Container rank 1 status" in out


@pytest.mark.slow
def test_a_stopped_rank_is_named(job: Workspace) -> None:
    with started(job, command_with(job, SILENCE, "-o", *LONG)) as launcher:
        read_until(launcher, "step 2/2")
        os.kill(trainers(launcher.pid)[1], signal.SIGSTOP)
        read_until(launcher, "error: rank 1: no sign of life for 4 s")


@pytest.mark.slow
def test_sigterm_to_the_launcher(job: Workspace) -> None:
    with started(job, command(job, "-o", *LONG, ranks=2)) as launcher:
        read_until(launcher, "epoch 2/")
        launcher.send_signal(signal.SIGTERM)
        out, _ = launcher.communicate(timeout=300)
    assert launcher.returncode in (signal.SIGTERM, 143), out  # its own way, or that of a process which ended first
    assert [log.splitlines()[-1] for log in logs(job)] == ["interrupted"] * 2
    newest = newest_checkpoint(job.output)
    assert newest == job.output / "interrupted"
    assert read_whole(newest)["progress"]["epoch"] >= 1


def test_one_card_for_two_ranks(job: Workspace) -> None:
    with started(job, command(job, "--device", f"{KIND}:1", ranks=2)) as launcher:
        out, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 2, out
    fault = f"error: device: '{KIND}:1' is one card but the launcher started 2 processes; set {KIND}"
    assert all(fault in log for log in logs(job))
