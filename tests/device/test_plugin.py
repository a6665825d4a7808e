"""The plug-in itself: it guards its memory, computes what a CPU does, and counts what it is asked to do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.device.machine import KIND, Machine
from tests.support.workspaces import ROOT

_TRAINS = """
import sys, json
import numpy as np, paddle
from paddle import nn

def weights(device):
    paddle.set_device(device)
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Conv2D(3, 8, 3), nn.BatchNorm2D(8), nn.Hardswish(), nn.Conv2D(8, 4, 1))
    for name, value in net.state_dict().items():
        start = np.ones(value.shape) if "variance" in name else rng.normal(size=value.shape)
        value.set_value(start.astype("float32"))
    decay = paddle.regularizer.L2Decay(0.01)
    options = {"use_nesterov": True, "use_multi_tensor": True, "weight_decay": decay}
    optimizer = paddle.optimizer.Momentum(0.1, 0.9, net.parameters(), **options)
    x = paddle.to_tensor(rng.normal(size=(2, 3, 8, 8)).astype("float32"))
    places = [value.data_ptr() for value in net.state_dict().values()]
    for _ in range(3):
        net(x).square().mean().backward()
        optimizer.step()
        optimizer.clear_grad()
    kept = places == [value.data_ptr() for value in net.state_dict().values()]
    return {name: value.numpy() for name, value in net.state_dict().items()}, kept

(expected, _), (found, kept) = weights("cpu"), weights(sys.argv[1])
difference = max(float(np.abs(found[name] - expected[name]).max()) for name in expected)
print(json.dumps([difference, kept]))
"""

_COUNTS = """
import json, sys
import numpy as np, paddle
from tests.device.traffic import traffic_of
paddle.set_device(sys.argv[1])
x = paddle.to_tensor(np.arange(6, dtype="float32").reshape(2, 3))
y = paddle.ones([3, 4])

def work():
    z = paddle.matmul(x, y)
    z = paddle.nn.functional.relu(z) + z.split([2, 2], axis=1)[0].tile([1, 2])
    z = paddle.add(paddle.add(z, z), z)
    return paddle.full([2], 1.5), z.argmax(), z.max(axis=1)

def copies():
    paddle.to_tensor(np.zeros(5, "int64"))
    x.numpy()

work()
found = traffic_of(work)
print(json.dumps([found.counts, found.launches, traffic_of(copies).counts]))
"""


def python(machine: Machine, program: str, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = machine.environment(**environment) | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", program, *argv], env=env, text=True, capture_output=True, timeout=200)


@pytest.mark.parametrize("in_place", ["1", "0"])
def test_its_kernels_compute_what_the_cpu_does(machine: Machine, in_place: str) -> None:
    done = python(machine, _TRAINS, KIND, GUARDED_IN_PLACE=in_place)
    assert done.returncode == 0, done.stderr
    difference, kept = json.loads(done.stdout.splitlines()[-1])
    assert difference < 1e-5  # sums of 72 products in another order
    assert kept == (in_place == "1")


READ, WRITE = "ctypes.c_float.from_address(x.data_ptr()).value", "memset(x.data_ptr(), 0, 4)"


@pytest.mark.parametrize("access", [READ, pytest.param(WRITE, marks=pytest.mark.slow)])
def test_a_host_access_to_device_memory_kills_the_process(machine: Machine, access: str) -> None:
    lines = ["import ctypes, paddle", "from ctypes import memset", f"paddle.set_device('{KIND}')"]
    lines += ["x = paddle.ones([4])", "print(x.numpy().sum(), flush=True)", access, "print('alive')"]
    done = python(machine, "\n".join(lines))
    assert "4.0" in done.stdout
    assert "alive" not in done.stdout
    assert done.returncode == -signal.SIGSEGV


def test_it_counts_what_it_is_asked_to_do(machine: Machine) -> None:
    done = python(machine, _COUNTS, KIND)
    assert done.returncode == 0, done.stderr
    during_work, launches, during_copies = json.loads(done.stdout.splitlines()[-1])
    assert during_work == {}  # the copies and waits of operators without a kernel are not its own
    assert launches == {**dict.fromkeys(("matmul", "relu", "split", "tile", "full", "argmax", "max"), 1), "add": 3}
    assert during_copies["host_to_device"] == 1
    assert during_copies["device_to_host"] == 1


def test_its_type_and_number_come_from_the_environment(machine: Machine) -> None:
    program = "import paddle; print(paddle.device.get_available_custom_device())"
    done = python(machine, program, GUARDED_TYPE="npu", GUARDED_COUNT="3")
    assert done.stdout.splitlines()[-1] == str([f"npu:{i}" for i in range(3)])


def test_a_process_without_it_sees_none(machine: Machine) -> None:
    program = "import paddle; print(paddle.device.get_available_custom_device())"
    done = python(machine, program, CUSTOM_DEVICE_ROOT="")
    assert done.stdout.splitlines()[-1] in ("[]", "None")
