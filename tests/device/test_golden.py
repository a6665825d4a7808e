"""The measured numbers of the networks, with a plug-in device as Paddle's default device.

Run the slow one with `pytest -m slow tests/device/test_golden.py`; it takes two to five minutes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.device.machine import KIND, Machine

_PYTEST = """
import json, sys
import zlib  # before Paddle, see ppdet/__init__.py
import paddle, pytest
from tests.device.traffic import traffic_of
status = []
launches = traffic_of(lambda: status.append(pytest.main(sys.argv[1:]))).launches
print(json.dumps([paddle.device.get_device(), launches]))
sys.exit(status[0])
"""


def run_on_the_device(machine: Machine, test: str, **environment: str) -> tuple[str, dict[str, int]]:
    """Returns pytest's output, and the kernels that the device ran."""
    output = machine.run("-c", _PYTEST, "-q", "-rs", test, seconds=1500, **environment)
    device, launches = json.loads(next(line for line in output.splitlines() if line.startswith(f'["{KIND}')))
    assert device == f"{KIND}:0"
    return output, launches


def test_small_networks(machine: Machine) -> None:
    """XS with both assigners and the legacy S: features, detections, losses, gradients."""
    output, launches = run_on_the_device(machine, "tests/modeling/test_small_golden.py")
    assert re.search(r"^10 passed", output, re.M), output
    assert launches["conv2d"] > 500
    assert launches["depthwise_conv2d_grad"] > 50
    assert launches["sigmoid_cross_entropy_with_logits"] > 0


@pytest.mark.slow
def test_published_networks(machine: Machine, shared: Path) -> None:
    """With Paddle's batch norm: these networks magnify the rounding of another one to 2e-3 in gradients."""
    output, launches = run_on_the_device(machine, "tests/modeling/test_golden.py", GUARDED_IN_PLACE="0")
    assert re.search(r"^\d+ passed", output, re.M), output
    assert "skipped" not in output
    assert launches["conv2d_grad"] > 1000
