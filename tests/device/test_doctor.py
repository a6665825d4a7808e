"""The doctor and its benchmark on a machine with plug-in devices."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.device.machine import KIND, Machine
from tests.support.workspaces import ROOT

_MEASURES = """
from ppdet.doctor_bench.bench import bench
from ppdet.doctor_bench.plan import Plan
from ppdet.runtime.device import available_devices

{patch}
plan = Plan({config!r}, [], {kind!r}, available_devices(), 0.1, {{"XS": {config!r}}})
bench(plan, print)
"""
_ONLY_TWO_CARDS = """
Plan.results = lambda plan: [single := plan.run(plan._train_step("XS", "float32")), plan._two_cards(single)]
"""


def measure(machine: Machine, patch: str = "") -> dict[str, str]:
    """The lines of the report, with the small config in place of the published models."""
    report = machine.run("-c", _MEASURES.format(config=str(machine.config), kind=KIND, patch=patch))
    lines = [line.partition(": ") for line in report.splitlines()]
    return {title: text.strip() for title, _, text in lines}


def test_two_cards_and_no_line_of_paddle_before_the_report(machine: Machine) -> None:
    environment = machine.environment(GLOG_minloglevel="2")
    del environment["GLOG_minloglevel"]  # the command sets it
    command = [sys.executable, "-m", "ppdet", "doctor"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("Software\n")
    assert f"  {KIND}: " in done.stdout.partition("Self-test: matmul\n")[2]
    assert f"  2 processes through xccl on {KIND}:0 and {KIND}:1: " in done.stdout
    assert done.stdout.endswith("nothing is broken\n")


@pytest.mark.slow
def test_one_card_leaves_the_collectives_to_the_cpu(machine: Machine) -> None:
    report = machine.run("-m", "ppdet", "doctor", GUARDED_COUNT="1")
    assert "  2 processes through gloo on cpu: " in report
    assert report.rstrip().endswith("nothing is broken")


@pytest.mark.slow
def test_a_card_that_drops_out_of_a_collective_is_one_finding(machine: Machine) -> None:
    """The other one waits for it for ever."""
    program = """
from ppdet.doctor import report, self_tests
broken = self_tests._RANK.replace("dist.all_reduce(x)", "dist.get_rank() and exit('card lost'); dist.all_reduce(x)")
found = report._self_test("all-reduce", lambda: self_tests.all_reduce(program=broken))
print(found.broken, *found.lines, sep="|")
"""
    said = machine.run("-W", "ignore", "-c", program).strip()
    message = f"xccl on {KIND}:0 and {KIND}:1: process 1 of 2 ended with status 1: card lost; "
    assert said.startswith(f"True|failed: RuntimeError: {message}")
    assert "\n" not in said


@pytest.mark.slow
def test_two_cards_are_measured_against_one(machine: Machine) -> None:
    found = measure(machine, _ONLY_TWO_CARDS)
    assert "images/s (" in found["train step XS, float32"]
    assert " times one card (XS, float32); each: " in found["two cards"]


@pytest.mark.slow
def test_all_measurements(machine: Machine) -> None:
    """The recorded graph fails or crashes: Paddle's fallback copies tensors whose memory is gone. That is a line."""
    found = measure(machine)
    for title in ("train step XS, float32", "reader alone", "training, end to end"):
        assert "images/s (" in found[title]
    assert found["train step XS, amp"] == f"not measured: {KIND} has no mixed precision"
    graph = found["train step XS, to_static"]
    assert "images/s (" in graph or "Tensor holds no memory" in graph or "signal 11 (Segmentation fault)" in graph
    assert " operators; copies and waits: not reported" in found["copies and waits"]
    assert found["score"].startswith("not measured: tiny has no published weights")
    assert " times one card" in found["two cards"]
