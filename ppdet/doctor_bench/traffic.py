"""Copies between host and device, waits and operators, as Paddle's profiler reports them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import paddle.profiler
from paddle.base.core import TracerEventType

from ppdet.runtime.local_processes import run_processes

_LAUNCH = " dygraph"  # how Paddle names the events of its operators
_DEVICE_EVENTS = (TracerEventType.Kernel, TracerEventType.Memcpy, TracerEventType.Memset)


class TrafficRecorder:
    """Records what the process does between `start` and `describe`."""

    def __init__(self, on_device: bool) -> None:
        """on_device: watch the device as well, for which `device_profiler_works`."""
        self._profiler = paddle.profiler.Profiler(
            targets=None if on_device else [paddle.profiler.ProfilerTarget.CPU],
            on_trace_ready=lambda profiler: None,  # writes no file
        )

    def start(self) -> None:
        """Begin to record."""
        self._profiler.start()

    def describe(self, updates: int) -> str:
        """Stop recording, and return the counts for each of the `updates` that were made."""
        self._profiler.stop()
        return describe_traffic(count_events(self._profiler.profiler_result.get_data().values()), updates)


def device_profiler_works() -> bool:
    """Whether Paddle can watch this machine's devices; a plug-in may have no profiler.

    It is tried in a process of its own, because Paddle makes no second profiler after one that could not be made.
    """
    try:
        run_processes([sys.executable, "-c", "import paddle.profiler as p; p.Profiler()"], [{}], timeout=60)
    except RuntimeError:
        return False
    return True


def count_events(roots: Any) -> Counter[str]:
    """Counts of the profiler's trees of events, one for each thread.

    Returns:
        Numbers of "operators", "waits", "device events", and copies: "to device", "to host", "other copies".
    """
    counts: Counter[str] = Counter()
    for node in (node for root in roots for node in _nodes(root)):
        counts["operators"] += node.name.endswith(_LAUNCH)
        for call in node.runtime_node:
            blocking_copy = "Memcpy" in call.name and "Async" not in call.name
            counts["waits"] += "Synchronize" in call.name or blocking_copy
        for event in _device_events(node):
            counts["device events"] += event.type in _DEVICE_EVENTS
            if event.type == TracerEventType.Memcpy:
                kind = "to device" if "HtoD" in event.name else "to host" if "DtoH" in event.name else "other copies"
                counts[kind] += 1
    return counts


def describe_traffic(counts: Counter[str], updates: int) -> str:
    """The counts per update as text. Without any event of a device nothing is said about copies and waits."""
    operators = f"{counts['operators'] / updates:.4g} operators"
    if not counts["device events"]:
        return f"{operators}; copies and waits: not reported by this build of Paddle for this device"
    copies = ", ".join(f"{counts[kind] / updates:.4g} {kind}" for kind in ("to device", "to host", "other copies"))
    return f"{operators}; copies: {copies}; {counts['waits'] / updates:.4g} waits"


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children_node:
        yield from _nodes(child)


def _device_events(node: Any) -> Iterator[Any]:
    yield from node.device_node
    for call in node.runtime_node:
        yield from call.device_node
