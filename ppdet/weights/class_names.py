"""Compares two lists of class names, and matches them by name."""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Sequence

_SHOWN = 12  # a longer list is shown around its first difference
_WINDOW = 4  # number of its names that are shown


def match_names(found: Sequence[str], expected: Sequence[str]) -> list[int | None]:
    """The position in `expected` of each of the names `found`; None if it has no such name.

    Names that are equal match first, after them those that differ by case, blanks or the form of accents. No position
    is given twice.
    """
    positions: list[int | None] = [None] * len(found)
    for key in (str, _folded):
        free = defaultdict[str, deque[int]](deque)
        for position, name in enumerate(expected):
            if position not in positions:
                free[key(name)].append(position)
        for number, name in enumerate(found):
            if positions[number] is None and free[key(name)]:
                positions[number] = free[key(name)].popleft()
    return positions


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFC", name).casefold().split())


def describe_difference(found: Sequence[str], expected: Sequence[str], source: str) -> str:
    """Says on one line how two lists differ and what to do.

    Args:
        found: the classes of a dataset.
        expected: other classes, or the same in another order.
        source: where they are known from.
    """
    both = list(zip(found, expected, strict=False))
    first = next((i for i, (name, other) in enumerate(both) if name != other), len(both))
    what = f"lists {len(found)} classes but {source} has {len(expected)}"
    if first < len(both):
        what = f"class {first} is {found[first]!r} there but {expected[first]!r} in {source}"
    return f"{what}; found {_shown(found, first)}; expected {_shown(expected, first)}; {_remedy(found, expected)}"


def _remedy(found: Sequence[str], expected: Sequence[str]) -> str:
    if sorted(found) == sorted(expected):
        order = "put its categories (JSON) or lines (label list) in that order"
        return f"{order}, or add --remap_classes to match them by name"
    positions = match_names(found, expected)
    pairs = [(name, expected[i]) for name, i in zip(found, positions, strict=True) if i is not None]
    if not pairs:
        return "no class is in both: check -c and the weights"
    same = "list the same classes in the same order"
    if alike := [f"{name!r} is {other!r}" for name, other in pairs if name != other]:
        same += f" (but for case or blanks {alike[0]})"
    if len(pairs) == len(found) == len(expected):
        return f"{same}, or add --remap_classes to match them by name"
    added, lacking = left_over(found, expected, positions)
    apart = "; ".join(f"{what}: {some(names)}" for what, names in (("added", added), ("lacking", lacking)) if names)
    return f"{same} ({apart}), or add --remap_classes to match by name what is in both"


def left_over(
    found: Sequence[str], expected: Sequence[str], positions: Sequence[int | None]
) -> tuple[list[str], list[str]]:
    """The names of `found` and of `expected` that `match_names` gave no partner."""
    taken = set(positions)
    added = [name for name, position in zip(found, positions, strict=True) if position is None]
    return added, [name for position, name in enumerate(expected) if position not in taken]


def describe_pairs(found: Sequence[str], expected: Sequence[str], positions: Sequence[int | None]) -> str:
    """Lists what `match_names` found, with the positions in both lists: "car 0 as 2, Bus 1 as 5 (bus)"."""
    pairs = [
        f"{name} {number} as {position}" + (f" ({expected[position]})" if expected[position] != name else "")
        for number, (name, position) in enumerate(zip(found, positions, strict=True))
        if position is not None
    ]
    return some(pairs)


def some(names: Sequence[str]) -> str:
    """The names, or the first ones and the number of the others."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _shown(names: Sequence[str], first: int) -> str:
    """All names; of a long list the number, and the names around position `first`."""
    if len(names) <= _SHOWN:
        return ", ".join(names)
    start = max(0, min(first, len(names)) - 1)
    stop = start + _WINDOW
    around = ["…"] * (start > 0) + list(names[start:stop]) + ["…"] * (stop < len(names))
    return f"{len(names)} classes ({', '.join(around)})"
