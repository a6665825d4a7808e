"""The number of processor cores that this process may use, by its affinity and the CPU quotas of containers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def allowed_cores(root: Path = Path("/")) -> float:
    """The cores of this process's affinity, or fewer if a control group has a CPU quota; may be a fraction.

    `sched_getaffinity` and `cpu_count` do not see quotas: with 64 cores and a quota of 2, 64 threads are stopped for
    most of every 100 ms. root: the root of the file system; tests have one of their own.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(cores), *_quotas(root)])


def default_threads() -> int:
    """The processor cores that this process may use, at least 1."""
    return max(1, int(allowed_cores()))


def side_by_side(threads: int) -> int:
    """How many calls of `threads` threads each the processor cores compute at the same time, at least 1."""
    return max(1, default_threads() // threads)


def _quotas(root: Path) -> Iterator[float]:
    """The quota, in cores, of each control group that this process is in (version 1 and 2) and of their parents."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            names = controllers.split(",")
            for mount in ("cpu", controllers) if "cpu" in names else ("", "unified") if controllers == "" else ():
                top = root / "sys/fs/cgroup" / mount
                folder = top / path.strip("/")
                # inside a container the path may be that of the host, and only the top is there
                for group in (folder, *(parent for parent in folder.parents if parent.is_relative_to(top))):
                    yield from _quota(group)


def _quota(group: Path) -> Iterator[float]:
    with suppress(OSError, ValueError):
        if (file := group / "cpu.max").is_file():
            quota, period = file.read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
