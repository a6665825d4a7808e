"""Makes standard output and error streams that a program can always write to."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO


def guard_output() -> None:
    """Keeps the state of stdout and stderr from ending the program. Command lines call it first.

    If the reader has gone (`| head`) or the device is full, the rest is dropped. A closed stream (`2>&-`) becomes
    /dev/null, so that no file of ours gets its number. Characters outside the stream's encoding are written as \\uNNNN.

    Only Python writes to stdout from then on: what C++ libraries print there goes to stderr. Iluvatar's plug-in for
    Paddle, for one, prints its name when it is loaded, and tables and JSON on stdout are there to be parsed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdout is sys.__stdout__:  # else somebody has put another in its place, as tests do
        sys.stdout = _guarded(sys.stdout, os.dup(1))
        os.dup2(2, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _guarded(sys.stderr, 2)


class _Forgiving(io.FileIO):
    """Drops what cannot be written, and reports it once, unless the reader has just gone."""

    _reported = False

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno != errno.EPIPE and not self._reported:
                self._reported = True
                with suppress(OSError):
                    os.write(2, f"stdout: cannot be written ({error.strerror}); the rest is left out\n".encode())
            return memoryview(data).nbytes


def _guarded(stream: TextIO | None, number: int) -> TextIO:
    """A stream on the file `number` with the properties of `stream`; None: it was closed."""
    if stream is not None:
        with suppress(OSError):
            stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Forgiving(number, "w", closefd=False)),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors="backslashreplace",
        # PYTHONUNBUFFERED sets write_through instead of line_buffering; the buffer here would then keep lines back.
        line_buffering=getattr(stream, "line_buffering", True) or getattr(stream, "write_through", False),
    )
