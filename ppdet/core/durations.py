"""Lengths of time in configs: `2h`, `90m`, `1h30m`, `3600 s`, or a number of seconds."""

from __future__ import annotations

import math
import re

from ppdet.core.errors import UserError
from ppdet.core.typecheck import shown

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_NUMBER = r"\d+(?:\.\d+)?"
_PARTS = re.compile(r"\s*".join(rf"(?:({_NUMBER})\s*{unit})?" for unit in _UNITS), re.ASCII | re.IGNORECASE)


def seconds_of(value: str | float, key: str) -> float:
    """The seconds in `value`. Raises UserError, which names `key`, unless it is a length of time above 0."""
    text = str(value).strip()
    if re.fullmatch(_NUMBER, text, re.ASCII):
        text += "s"
    found = _PARTS.fullmatch(text)
    numbers = [float(number or 0) for number in found.groups()] if found else []
    seconds = sum(number * unit for number, unit in zip(numbers, _UNITS.values(), strict=False))
    if not 0 < seconds < math.inf:
        raise UserError(f"{key}: found {shown(value)}; expected a length of time above 0: 2h, 90m, 1h30m or 3600 s")
    return seconds
