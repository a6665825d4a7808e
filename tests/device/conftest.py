from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.device.build import build, missing_tool
from tests.device.machine import TWO_EPOCHS, Machine


def build_or_skip(folder: Path) -> Path:
    if reason := missing_tool():
        pytest.skip(reason)
    build(folder)
    return folder


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled plug-in, which all workers of pytest-xdist share."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder = root / "plugin"
    with (root / "plugin.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            part = root / "plugin.part"
            part.mkdir(exist_ok=True)
            build_or_skip(part).rename(folder)
    return folder


class Trained(NamedTuple):
    """Two epochs of the same training: the machine, and the folders of the results on the device and on the CPU."""

    machine: Machine
    device: Path
    cpu: Path


@pytest.fixture(scope="session")
def trained(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    machine = Machine(plugin, tmp_path_factory.mktemp("trained")).prepare()
    return Trained(machine, machine.train("device", *TWO_EPOCHS), machine.train_on_cpu("cpu", *TWO_EPOCHS))


@pytest.fixture
def machine(plugin: Path, tmp_path: Path) -> Machine:
    """A machine with two plug-in devices and a small training set."""
    return Machine(plugin, tmp_path).prepare()
