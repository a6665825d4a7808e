"""The one exception type for mistakes a user can make and mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in a file, a key or an option.

    The message is one line: `<file or dotted key at fault>: what was found; what was expected or what to do`.
    Tools print it as `error: …` and exit with status 2 (`ppdet.core.cli.run`).
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an "unknown name" message: `; did you mean 'scale'?`, or nothing where no name is known."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.0)
    if not found:
        return ""
    best = by_lower[found[0]]
    if difflib.SequenceMatcher(None, name.lower(), found[0]).ratio() >= 0.6:
        return f"; did you mean {best!r}?"
    return f"; the nearest known name is {best!r}"
