"""The one exception type for mistakes a user can make and mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in a file, a key or an option; tools print it as `error: …` and exit with status 2.

    The message is one line: `<file or dotted key at fault>: what was found; what was expected or what to do`.
    """


# what libraries say, on the CPU and on cards, in exceptions of many types
_NO_MEMORY = re.compile(
    r"ResourceExhausted|[Oo]ut of memory|Unable to allocate|[Ff]ail(ed)? to alloc|Cannot allocate memory|bad_alloc"
    r"|bad allocation|Insufficient memory|ALLOC_FAILED"
)


def out_of_memory(error: BaseException) -> UserError | None:
    """The UserError that says so where `error` comes of memory that ran out, None where it does not."""
    text = str(error)
    if not isinstance(error, MemoryError) and not _NO_MEMORY.search(text):
        return None
    line = next((line for line in text.splitlines() if _NO_MEMORY.search(line)), type(error).__name__)
    return UserError(f"batch_size: memory ran out ({line.strip()}); lower it, the size of the images, or worker_num")


class Interrupted(KeyboardInterrupt):
    """The end that the signal `number` asked for; tools exit with status 128 + number: 130 Ctrl-C, 143 SIGTERM."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an "unknown name" message: `; did you mean 'scale'?`, or nothing where no name is known."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    for cutoff, hint in ((0.6, "did you mean {!r}?"), (0.0, "the nearest known name is {!r}")):
        if found := difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff):
            return "; " + hint.format(by_lower[found[0]])
    return ""
