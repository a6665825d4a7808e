"""The stack on which a thread runs signal handlers."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def keep_signal_stack() -> Iterator[None]:
    """Context after which the calling thread has the same stack for signal handlers as before (Linux).

    OpenVINO sets one of its own when it compiles a model, and frees it with the model. If models end in the order in
    which they began, the thread is left with a freed stack, and its next signal, such as Ctrl-C, crashes the process.
    """
    if sys.platform != "linux":
        yield
        return
    libc, before = ctypes.CDLL(None), _Stack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
