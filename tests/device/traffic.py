"""Reads the plug-in's counters, in a process that has loaded it."""

from __future__ import annotations

import ctypes
import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.device.build import LIBRARY


@dataclass(frozen=True)
class Traffic:
    """What a device with kernels of its own would have been asked to do.

    Attributes:
        counts: calls by kind: host_to_device, device_to_host, device_to_device, wait_for_stream, wait_for_event,
            wait_for_device, main_thread_waits (blocking copies and waits of the main thread), stream_waits_for_event,
            allocation, all_reduce, broadcast, all_gather.
        bytes: bytes by the same kinds.
        launches: kernels by operator.
    """

    counts: dict[str, int]
    bytes: dict[str, int]
    launches: dict[str, int]

    def count(self, kind: str) -> int:
        return self.counts.get(kind, 0)


def traffic_of(call: Callable[[], Any]) -> Traffic:
    """Returns the traffic of `call()`."""
    take()
    call()
    return take()


def take() -> Traffic:
    """Returns the traffic since the last call, and begins to count from zero."""
    found = json.loads(_library().guarded_traffic())
    _library().guarded_reset()
    own = found["own"]
    counts = {kind: each["count"] for kind, each in own.items()}
    return Traffic(counts, {kind: each["bytes"] for kind, each in own.items()}, found["launches"])


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(Path(os.environ["CUSTOM_DEVICE_ROOT"]) / LIBRARY))
    library.guarded_traffic.restype = ctypes.c_char_p
    return library
