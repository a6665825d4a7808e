"""Finding: one kind of fault in a data set, with its count, examples and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One kind of fault in one split.

    Attributes:
        severity: an "error" spoils the training or the score; a "warning" may; "info" is good to know.
        what: what is the matter with them.
        count: how many there are.
        examples: at most three, mostly file names.
        advice: what to do.
        name: the kind.
        split: the split that it is in; several are joined by " + ".
    """

    severity: Severity
    what: str
    count: int
    examples: Sequence[str]
    advice: str
    name: str = ""
    split: str = ""


def found(severity: Severity, what: str, places: Sequence[str], advice: str) -> Finding | None:
    """The finding with one count for each of `places`, of which it names three; None if there are none."""
    if not places:
        return None
    return Finding(severity, what, len(places), list(dict.fromkeys(places))[:3], advice)
