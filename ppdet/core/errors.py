"""The exception for mistakes that a user can make and correct, and the texts of messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in a file, a key or an option; tools print it as `error: …` and exit with status 2.

    The message is one line: `<file or dotted key at fault>: what was found; what was expected or what to do`.
    """


# words of libraries in exceptions of many types, on the CPU and on cards
_NO_MEMORY = re.compile(
    r"ResourceExhausted|[Oo]ut of memory|Unable to allocate|[Ff]ail(ed)? to alloc|Cannot allocate memory|bad_alloc"
    r"|bad allocation|Insufficient memory|ALLOC_FAILED"
)


def out_of_memory(error: BaseException) -> UserError | None:
    """The UserError that says that memory ran out, if `error` is about that; None if it is not."""
    text = str(error)
    if not isinstance(error, MemoryError) and not _NO_MEMORY.search(text):
        return None
    lines = [line for line in text.splitlines() if _NO_MEMORY.search(line)]
    line = lines[-1] if lines else type(error).__name__  # the last: Paddle's headings come first
    return UserError(f"batch_size: memory ran out ({line.strip()}); lower it, the size of the images, or worker_num")


class Interrupted(KeyboardInterrupt):
    """The end that a signal asked for; commands exit with status 128 + its number: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number


# Characters that a terminal takes for commands or for a change of direction: C0 and C1 controls, line and paragraph
# separators, bidirectional controls, and halves of characters.
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` on one line: line ends become spaces, other characters that control a terminal \\xNN or \\uNNNN."""
    return _UNPRINTABLE.sub(_escaped, text.replace("\r\n", " ").replace("\n", " "))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an "unknown name" message: `; did you mean 'scale'?`, or nothing if no name is known."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    for cutoff, hint in ((0.6, "did you mean {!r}?"), (0.0, "the nearest known name is {!r}")):
        if found := difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff):
            return "; " + hint.format(by_lower[found[0]])
    return ""
