"""The choice of a device with a plug-in that is really there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.device.machine import KIND, SHORT, Machine

_TRAIN = """
import cv2  # after Paddle 2.6.2 it would read no PNG
import paddle
from ppdet.cli import run_tool
run_tool("train")
print("place:", paddle.ones([1]).place)
"""


@pytest.fixture(scope="module")
def machine(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(plugin, tmp_path_factory.mktemp("choice")).prepare(images=5)  # four have boxes: one update


def train(machine: Machine, options: Iterable[str], status: int = 0, **environment: str) -> str:
    command = ("-c", machine.config, *options, "-o", f"save_dir={machine.folder / 'out'}", *SHORT)
    return machine.run("-c", _TRAIN, *command, status=status, **environment)


@pytest.mark.parametrize(
    ("options", "cards", "kind", "place"),
    [
        (["--device", f"{KIND}:1"], "2", KIND, f"{KIND}:1"),
        (["--device", "cpu"], "2", "cpu", "cpu"),
        ([], "1", KIND, f"{KIND}:0"),
        ([], "0", "cpu", "cpu"),
    ],
)
def test_it_trains_on(machine: Machine, options: list[str], cards: str, kind: str, place: str) -> None:
    log = train(machine, options, GUARDED_COUNT=cards)
    assert f"training tiny on {kind}: 4 images" in log
    assert f"place: Place({place})" in log.splitlines()
    assert ("no accelerator found" in log) == (cards == "0")


@pytest.mark.parametrize(
    ("device", "cards", "fault"),
    [
        (f"{KIND}:2", "2", f"'{KIND}:2' is not there; available: {KIND}:0, {KIND}:1, cpu"),
        ("gpu", "1", f"'gpu' is not there; available: {KIND}:0, cpu"),
        (KIND, "0", f"'{KIND}' is not there; available: cpu"),
    ],
)
def test_what_is_not_there(machine: Machine, device: str, cards: str, fault: str) -> None:
    log = train(machine, ["--device", device], status=2, GUARDED_COUNT=cards)
    assert [line for line in log.splitlines() if not line.startswith(("/", "  warn"))] == [f"error: device: {fault}"]
