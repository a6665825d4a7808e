"""The choice of a device with a plug-in that is really there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.device.machine import KIND, SHORT, Machine

# Trains once for each list of options, in one process: a start of Paddle takes longer than the update.
_TRAIN = """
import contextlib, io, json, sys
import cv2  # after Paddle 2.6.2 it would read no PNG
import paddle
from ppdet.cli import run_tool

start, results = list(sys.argv), []
for options in json.loads(start.pop()):
    sys.argv = start + options
    status, log = 0, io.StringIO()
    with contextlib.redirect_stderr(log):
        try:
            run_tool("train")
        except SystemExit as end:
            status = end.code
    results.append([status, log.getvalue(), str(paddle.ones([1]).place)])
print(json.dumps(results))
"""


class Result(NamedTuple):
    status: int
    log: str
    place: str


@pytest.fixture(scope="module")
def machine(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(plugin, tmp_path_factory.mktemp("choice")).prepare(images=5)  # four have boxes: one update


def train(machine: Machine, cards: int, *devices: str) -> list[Result]:
    """Trains with each `--device` of `devices`, of which an empty one leaves the option out."""
    command = ("-c", machine.config, "-o", f"save_dir={machine.folder / 'out'}", *SHORT)
    options = json.dumps([["--device", device] if device else [] for device in devices])
    output = machine.run("-c", _TRAIN, *command, options, GUARDED_COUNT=str(cards))
    return [Result(*each) for each in json.loads(next(line for line in output.splitlines() if line.startswith("[[")))]


def assert_trained(result: Result, kind: str, place: str) -> None:
    assert result.status == 0, result.log
    assert f"training tiny on {kind}: 4 images" in result.log
    assert "trained 1 epochs" in result.log
    assert result.place == f"Place({place})"


def test_two_cards(machine: Machine) -> None:
    third, gpu, second, cpu = train(machine, 2, f"{KIND}:2", "gpu", f"{KIND}:1", "cpu")
    available = f"is not there; available: {KIND}:0, {KIND}:1, cpu\n"
    assert third[:2] == (2, f"error: device: '{KIND}:2' {available}")
    assert gpu[:2] == (2, f"error: device: 'gpu' {available}")
    assert_trained(second, KIND, f"{KIND}:1")
    assert_trained(cpu, "cpu", "cpu")


def test_one_card(machine: Machine) -> None:
    second, first = train(machine, 1, f"{KIND}:1", "")
    assert second[:2] == (2, f"error: device: '{KIND}:1' is not there; available: {KIND}:0, cpu\n")
    assert_trained(first, KIND, f"{KIND}:0")


def test_no_card(machine: Machine) -> None:
    """The plug-in is there, but its cards are not."""
    card, none = train(machine, 0, KIND, "")
    assert card[:2] == (2, f"error: device: '{KIND}' is not there; available: cpu\n")
    assert_trained(none, "cpu", "cpu")
    assert "no accelerator found, running on the CPU" in none.log
