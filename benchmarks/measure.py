"""Parts that benchmarks share: interleaved repeats, medians, ratios, intervals, memory, counts of operations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LAUNCH = " dygraph"  # how Paddle names the events of its operators
# of Student's t for 97.5 %, by the degrees of freedom
_QUANTILES = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def interleaved(
    ways: Mapping[str, Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of `repeats` calls of each way, taken in turn so that a busy moment hits all; one warm-up each."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = clock()
            way()
            seconds[name].append(clock() - start)
    return seconds


def paired_ratio(first: Sequence[float], other: Sequence[float]) -> float:
    """The median over repeats of how many times less `other` took than `first`."""
    return statistics.median(a / b for a, b in zip(first, other, strict=True))


def report(unit: str, measured: Mapping[str, Sequence[float]]) -> None:
    """A line per way: median (lowest to highest), and how many times less than the first."""
    first = statistics.median(next(iter(measured.values())))
    for name, values in measured.items():
        median = statistics.median(values)
        spread = f"({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
        print(f"{name:>28}  {median:10.4g} {unit} {spread:<22} {first / median:6.2f}x")


def mean_interval(gains: Sequence[float]) -> tuple[float, float, float] | None:
    """The mean of paired differences and its 95 % interval by Student's t; None for one value or more than ten."""
    if len(gains) - 1 not in _QUANTILES:
        return None
    center = statistics.mean(gains)
    half = _QUANTILES[len(gains) - 1] * statistics.stdev(gains) / len(gains) ** 0.5
    return center, center - half, center + half


def convolutions(model: Any, image: Any) -> list[tuple[int, int, int]]:
    """Runs a forward pass; returns the multiplications and the sizes of input and output of each Conv2D call."""
    import paddle

    found: list[tuple[int, int, int]] = []

    def note(layer: Any, inputs: Any, output: Any) -> None:
        found.append((output.size * layer.weight.size // layer.weight.shape[0], inputs[0].size, output.size))

    layers = [layer for layer in model.sublayers() if isinstance(layer, paddle.nn.Conv2D)]
    hooks = [layer.register_forward_post_hook(note) for layer in layers]
    with paddle.no_grad():
        model(image)
    for hook in hooks:
        hook.remove()
    return found


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
