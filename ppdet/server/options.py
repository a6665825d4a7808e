"""The options of a request, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ppdet.deploy import Detections
from ppdet.server.refusals import Refused


def threshold_of(value: object) -> float | None:
    """A score of 0 to 1; None if there is none. Raises Refused if it is something else."""
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError
        number = float(value)
    except (ValueError, OverflowError):
        number = float("nan")
    if not 0 <= number <= 1:
        raise Refused(400, f"threshold: found {str(value)[:50] or 'nothing'}; expected a number of 0 to 1")
    return number


def name_of(value: object) -> str | None:
    """The name of a model; None if there is none."""
    if value is not None and not isinstance(value, str):
        raise Refused(400, f"model: found {type(value).__name__}; expected the name of a model")
    return value


def classes_of(value: Any, labels: Sequence[str]) -> frozenset[str] | None:
    """The names of the classes that are wanted; None: all.

    value: a name, several with commas, or a list of these. Raises Refused if one is not in `labels`.
    """
    if value is None:
        return None
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise Refused(400, "classes: expected class names: text with commas, or a list of texts")
    names = [name.strip() for each in given for name in ([each] if each in labels else each.split(","))]
    if unknown := [name for name in names if name not in labels]:
        known = ", ".join(labels[:5]) + (", …" if len(labels) > 5 else "")
        raise Refused(
            400, f"classes: found {unknown[0]!r:.50}; expected some of {known}; GET /v1/models lists them all"
        )
    return frozenset(names)


def only_classes(found: Detections, classes: frozenset[str] | None) -> Sequence[int]:
    """The positions of the detections of some classes."""
    return [i for i, name in enumerate(found.names) if classes is None or name in classes]
