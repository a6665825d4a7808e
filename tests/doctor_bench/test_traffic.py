"""Counts of the profiler's events, from trees as those of a CUDA build, and from Paddle's own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import paddle
import pytest
from paddle.base.core import TracerEventType

from ppdet.doctor_bench import traffic
from ppdet.doctor_bench.traffic import TrafficRecorder, count_events, describe_traffic


@dataclass
class Event:
    name: str
    type: Any = TracerEventType.UserDefined
    children_node: list[Event] = field(default_factory=list)
    runtime_node: list[Event] = field(default_factory=list)
    device_node: list[Event] = field(default_factory=list)


def copy(direction: str, call: str = "cudaMemcpyAsync") -> Event:
    event = Event(f"MEMCPY_{direction}", TracerEventType.Memcpy)
    return Event(call, TracerEventType.CudaRuntime, device_node=[event])


def test_counts_of_a_tree() -> None:
    kernel = Event("conv", TracerEventType.Kernel)
    launch = Event("cudaLaunchKernel", TracerEventType.CudaRuntime, device_node=[kernel])
    conv = Event("conv2d dygraph", runtime_node=[launch])
    batch = Event("to_tensor", runtime_node=[copy("HtoD"), copy("HtoD"), copy("DtoD")])
    read = Event("numpy", runtime_node=[copy("DtoH", "cudaMemcpy"), Event("cudaStreamSynchronize")])
    roots = [Event("root", children_node=[batch, Event("step", children_node=[conv, conv, read])]), Event("thread")]
    counts = count_events(roots)
    expected = {"operators": 2, "waits": 2, "to device": 2, "to host": 1, "other copies": 1, "device events": 6}
    assert counts == expected
    assert describe_traffic(counts, 2) == "1 operators; copies: 1 to device, 0.5 to host, 0.5 other copies; 1 waits"


def test_without_events_of_the_device_nothing_is_said_about_copies() -> None:
    said = describe_traffic(Counter(operators=30, waits=0), 3)
    assert said == "10 operators; copies and waits: not reported by this build of Paddle for this device"


@pytest.mark.parametrize("on_device", [False, True])
def test_operators_of_paddle_are_counted(on_device: bool) -> None:
    recorder, x = TrafficRecorder(on_device), paddle.ones([4])
    recorder.start()
    for _ in range(6):
        x = paddle.nn.functional.relu(x)
    assert recorder.describe(2).startswith("3 operators; ")


@pytest.mark.parametrize(("error", "works"), [(None, True), (RuntimeError("no profiler"), False)])
def test_whether_the_device_can_be_watched(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError | None, works: bool
) -> None:
    def run(*_: Any, **__: Any) -> None:
        if error:
            raise error

    monkeypatch.setattr(traffic, "run_processes", run)
    assert traffic.device_profiler_works() is works
