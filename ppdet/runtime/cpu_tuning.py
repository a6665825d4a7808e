"""Settings for the speed of Paddle's CPU kernels; docs/performance.md says what each one gains."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from pathlib import Path

from paddle.base import core

from ppdet.deploy.cpus import allowed_cores

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_KEEP = 2**30  # bytes of freed memory that the process keeps
_AVX2, _AVX512 = "5", "7"  # code paths of Intel's MKL, which Paddle contains


def use_all_cores() -> None:
    """Let Paddle compute matrix products on all cores."""
    core.set_num_threads(cpu_threads())


def tune_process() -> None:
    """Choose MKL's fast code on AMD processors, and keep memory that is freed instead of returning it at every step.

    Both change the process, so programs that call ppdet decide for themselves. The command line also sets what has to
    be set before libraries start: see `core.cli.run`.
    """
    code_path = mkl_code_path(_cpuinfo())
    if code_path:
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", code_path)  # MKL reads it at its first product
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc
        if mallopt:
            mallopt(_M_MMAP_THRESHOLD, _KEEP)
            mallopt(_M_TRIM_THRESHOLD, _KEEP)


@functools.cache
def cpu_threads() -> int:
    """Returns the threads for one computation: MKL_NUM_THREADS, or the allowed cores divided by the local ranks."""
    chosen, ranks = _positive("MKL_NUM_THREADS"), _positive("PADDLE_LOCAL_SIZE")
    return chosen or max(1, int(allowed_cores() / (ranks or 1)))


def _positive(variable: str) -> int | None:
    """Returns the number in an environment variable; None if it is not set or not positive."""
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


def mkl_code_path(cpuinfo: str) -> str | None:
    """Returns MKL_DEBUG_CPU_TYPE for an AMD processor, on which MKL would choose slow code; None for others."""
    line = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    flags = set(line.partition(":")[2].split())
    if "AuthenticAMD" not in cpuinfo or not {"avx2", "fma"} <= flags:
        return None
    return _AVX512 if {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags else _AVX2


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return ""
