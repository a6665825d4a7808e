"""What a device is asked to do by training and evaluation, in exact numbers.

The training has a logger if tensorboardX is installed; it asks the device for nothing. The launches are those of
Paddle's operators. With Paddle 2.6 a plug-in copies where Paddle 3 has views: slices and transposed tensors are
launches there. The benchmark prints the names.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import paddle
import pytest

from tests.device.machine import Machine

LINE = int(paddle.__version__.split(".")[0])
LAUNCHES = {
    3: {"forward": 331, "loss": 248, "backward": 432, "update": 1, "average": 3},
    2: {"forward": 331, "loss": 275, "backward": 434, "update": 1, "average": 3},
}
IMAGE_BYTES = 8 * 3 * 64 * 64 * 4
LOG_BYTES = 256  # of 4 losses of 5 steps: Paddle copies what it has allocated


@pytest.fixture(scope="module")
def counted(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    machine = Machine(plugin, tmp_path_factory.mktemp("counted"))
    environment = {"_PPDET_COUNTED": "1"}
    loggers = ["-o", "log=[tensorboard]"] if find_spec("tensorboardX") else []
    output = machine.run("benchmarks/device_traffic.py", "--json", *loggers, **environment)
    found: dict[str, Any] = json.loads(output[output.index("{") : output.rindex("}") + 1])
    return found


def test_a_step_sends_one_batch_and_waits_for_nothing(counted: dict[str, Any]) -> None:
    counts, size = counted["steps"]["counts"], counted["steps"]["bytes"]
    steps = counted["steps"]["launches"]["merged_momentum"]
    assert counts.get("device_to_host", 0) == 0
    assert counts.get("main_thread_waits", 0) == 0
    assert counts.get("allocation", 0) == 0
    # the thread sends a batch before or after the main thread begins the next step
    assert steps - 1 <= counts["host_to_device"] <= steps + 1
    assert IMAGE_BYTES < size["host_to_device"] / counts["host_to_device"] < 1.02 * IMAGE_BYTES


def test_a_log_line_takes_one_copy(counted: dict[str, Any]) -> None:
    counts = counted["step with a log line"]["counts"]
    assert counts["device_to_host"] == 1
    assert counted["step with a log line"]["bytes"]["device_to_host"] == LOG_BYTES
    assert counts["main_thread_waits"] == 3  # the copy, and Paddle's waits before and after it


def test_a_checkpoint_copies_vectors(counted: dict[str, Any]) -> None:
    """The velocities of 278 parameters one by one, but weights, average and divided average as one vector each."""
    counts = counted["checkpoint"]["counts"]
    assert counts["device_to_host"] == 278 + 3
    assert counts.get("host_to_device", 0) == 0


def test_all_weights_are_checked_with_one_copy(counted: dict[str, Any]) -> None:
    assert counted["check for finite weights"]["counts"]["device_to_host"] == 1


def test_an_evaluation_copies_scores_and_boxes(counted: dict[str, Any]) -> None:
    """NMS runs on the CPU, since the plug-in has no operator for it."""
    counts = counted["evaluation"]["counts"]
    batches = counts["host_to_device"]
    assert batches == 56 // 8
    assert counts["device_to_host"] == 2 * batches
    assert counts["main_thread_waits"] == 4 * batches


@pytest.mark.parametrize("part", ["forward", "loss", "backward", "update", "average"])
def test_launches(counted: dict[str, Any], part: str) -> None:
    """In the epochs of ATSS, which take more than those of task-aligned assignment."""
    assert sum(counted[part]["launches"].values()) == LAUNCHES[LINE][part]
