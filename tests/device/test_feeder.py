"""Batches arrive on the device in one copy, sent by a thread that signals and dead workers end as well."""

from __future__ import annotations

import json
import os
import select
import signal

import numpy as np
import pytest

from ppdet.training.checkpoint_folder import newest_checkpoint
from tests.device.compare import assert_same
from tests.device.machine import SHORT, Machine
from tests.support.processes import command, descendants, read_until, started
from tests.support.samples import ARRAYS
from tests.support.tiny import make_run
from tests.support.workspaces import Workspace

# Prints the copies of an epoch, and saves the arrays of its batches.
_EPOCH = """
import json, sys
import numpy as np
from pathlib import Path
from tests.device.traffic import traffic_of
from tests.support.samples import ARRAYS
from tests.support.tiny import make_run

run = make_run(Path(sys.argv[1]), *sys.argv[3:])
loader = run.builder.build("TrainReader").bind(run.load_dataset("TrainDataset"), seed=3)
batches = []
found = traffic_of(lambda: batches.extend(loader.epoch(0)))
loader.close()
arrays = {f"{i} {name}": np.array(getattr(b, name)) for i, b in enumerate(batches) for name in ARRAYS}
np.savez(sys.argv[2], **arrays)
kinds = ("host_to_device", "device_to_host", "main_thread_waits")
print(json.dumps([len(batches), [found.count(kind) for kind in kinds], found.bytes["host_to_device"]]))
"""
LONG = ("epoch=10000", "snapshot_epoch=10000", "worker_num=2")


@pytest.fixture
def job(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    return Workspace(machine.folder)


def epoch_on_device(machine: Machine, *overrides: str) -> tuple[list[list[np.ndarray]], int]:
    """The arrays of an epoch's batches, which took one copy each, and the bytes of all copies."""
    file = machine.folder / "batches.npz"
    output = machine.run("-c", _EPOCH, machine.config, file, *overrides, PYTHONPATH=os.getcwd())
    count, copies, size = json.loads(output.splitlines()[0])
    assert copies == [count, 0, 0]
    arrays = np.load(file)
    return [[arrays[f"{i} {name}"] for name in ARRAYS] for i in range(count)], size


@pytest.mark.parametrize("worker_num", [pytest.param("0", marks=pytest.mark.slow), "2"])
def test_batches_are_those_of_the_cpu_and_take_one_copy_each(machine: Machine, worker_num: str) -> None:
    overrides = (*SHORT, f"worker_num={worker_num}")
    run = make_run(machine.config, "device=cpu", *SHORT)
    loader = run.builder.build("TrainReader").bind(run.load_dataset("TrainDataset"), seed=3)
    expected = [[np.array(getattr(b, name)) for name in ARRAYS] for b in loader.epoch(0)]
    found, size = epoch_on_device(machine, *overrides)
    np.testing.assert_equal(found, expected)
    if worker_num == "0":
        return
    no_overshoot = "TrainReader.batch_transforms.0.BatchRandomResize.random_interp=false"
    normalized, fewer = epoch_on_device(machine, *overrides, no_overshoot, "TrainReader.device_normalize=true")
    plain, _ = epoch_on_device(machine, *overrides, no_overshoot)
    for ours, theirs in zip(normalized, plain, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert fewer < 0.3 * size  # a quarter of the images, and the boxes


@pytest.mark.slow
def test_ctrl_c_then_resume_gives_the_same_bits(job: Workspace, machine: Machine) -> None:
    settings = (*SHORT, "epoch=3", "snapshot_epoch=3", "worker_num=2")
    whole = machine.train("whole", *settings)
    with started(job, command(job, "-o", *settings)) as process:
        read_until(process, "epoch 1/3 step 2/2")
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 130, out
        assert out.splitlines()[-1] == "interrupted"
    assert newest_checkpoint(job.output) == job.output / "interrupted"
    assert_same(machine.train("output", *settings, options=("-r", "auto")) / "model_final", whole / "model_final")


def test_sigterm_while_the_next_batch_is_awaited(job: Workspace) -> None:
    """The readers are stopped, so that the thread waits for them while the main thread waits for it."""
    with started(job, command(job, "-o", *SHORT, *LONG)) as process:
        read_until(process, "epoch 1/10000 step 2/2")
        readers = descendants(process.pid)
        assert len(readers) == 2
        for reader in readers:
            os.kill(reader, signal.SIGSTOP)
        while select.select([process.stdout], [], [], 3)[0] and os.read(process.stdout.fileno(), 1 << 16):
            pass  # the batches that were made already
        os.kill(process.pid, signal.SIGTERM)
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 143, out
    assert newest_checkpoint(job.output) == job.output / "interrupted"


def test_a_dead_reader_is_one_line(job: Workspace) -> None:
    with started(job, command(job, "-o", *SHORT, *LONG)) as process:
        read_until(process, "epoch 1/10000 step 2/2")
        os.kill(descendants(process.pid)[0], signal.SIGKILL)
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 2, out
    assert "error: worker_num: a reader process died (signal 9)" in out.splitlines()[-1]
    assert "Traceback" not in out
