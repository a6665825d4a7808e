"""What the benchmarks share: interleaved repeats, medians, ratios, memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LAUNCH = " dygraph"  # how Paddle names the events of its operators


def interleaved(ways: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds of `repeats` calls of each way, taken in turn so that a busy moment hits all; one warm-up each."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def report(unit: str, measured: Mapping[str, Sequence[float]]) -> None:
    """A line per way: median (lowest to highest), and how many times less than the first."""
    first = statistics.median(next(iter(measured.values())))
    for name, values in measured.items():
        median = statistics.median(values)
        spread = f"({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
        print(f"{name:>28}  {median:10.4g} {unit} {spread:<22} {first / median:6.2f}x")


def extra_memory_mb(way: Callable[[], Any]) -> float:
    """Peak resident memory of one call above what there was before, MB; Linux."""
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status_mb("VmRSS")
    way()
    return _status_mb("VmHWM") - before


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field + ":")).split()[1]) / 1024


def operator_launches(way: Callable[[], Any]) -> int:
    """How many operators Paddle's profiler sees one call launch."""
    import paddle.profiler

    def count(node: Any) -> int:
        return node.name.endswith(_LAUNCH) + sum(count(child) for child in node.children_node)

    profiler = paddle.profiler.Profiler(
        targets=[paddle.profiler.ProfilerTarget.CPU],
        on_trace_ready=lambda profiler: None,  # writes no file
    )
    profiler.start()
    way()
    profiler.stop()
    return sum(count(root) for root in profiler.profiler_result.get_data().values())
