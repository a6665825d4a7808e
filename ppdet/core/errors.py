"""Errors that a program reports in one line, and the texts of messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from ppdet.deploy.errors import UserError

__all__ = ["Interrupted", "OutOfTime", "UserError", "forbidden", "nearest", "out_of_memory", "telling_line"]


# words of libraries in exceptions of many types, on the CPU and on cards
_NO_MEMORY = re.compile(
    r"ResourceExhausted|[Oo]ut of memory|Unable to allocate|[Ff]ail(ed)? to alloc|Cannot allocate memory|bad_alloc"
    r"|bad allocation|Insufficient memory|ALLOC_FAILED"
)

_ERROR_NAME = re.compile(r"[\w.]*(Error|Exception): *\S")


def out_of_memory(error: BaseException) -> UserError | None:
    """The UserError that says that memory ran out, if `error` is about that; None if it is not."""
    text = str(error)
    if not isinstance(error, MemoryError) and not _NO_MEMORY.search(text):
        return None
    lines = [line for line in text.splitlines() if _NO_MEMORY.search(line)]
    line = lines[-1] if lines else type(error).__name__  # the last: Paddle's headings come first
    return UserError(f"batch_size: memory ran out ({line.strip()}); lower it, the size of the images, or worker_num")


def forbidden(error: BaseException) -> UserError | None:
    """The UserError that names a file or folder that this user may not read or write, if `error` is about one."""
    if not isinstance(error, PermissionError) or error.filename is None:
        return None
    return UserError(f"{error.filename}: cannot be used ({error.strerror}); give yourself the right, or another path")


def telling_line(text: str) -> str:
    """Returns the line of a library's message, or of a trace, that says what is wrong.

    It is the last one that begins with the name of an error: Paddle adds hints and places below it. Else the last one.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if _ERROR_NAME.match(line)]
    return (named or lines or ["no message"])[-1]


class Interrupted(KeyboardInterrupt):
    """The end that a signal asked for; commands exit with status 128 + its number: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number


class OutOfTime(Interrupted):
    """The end that `max_time` asked for; commands exit with status 124, as the command `timeout` does."""

    def __init__(self) -> None:
        self.status = 124


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an "unknown name" message: `; did you mean 'scale'?`, or nothing if no name is known."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    for cutoff, hint in ((0.6, "did you mean {!r}?"), (0.0, "the nearest known name is {!r}")):
        if found := difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff):
            return "; " + hint.format(by_lower[found[0]])
    return ""
