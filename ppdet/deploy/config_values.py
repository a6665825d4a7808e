"""Typed access to the values of infer_cfg; messages name a wrong value by its dotted key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import DeployError

_SHOWN = 60  # characters of a value in a message


class Section:
    """A mapping of infer_cfg. All methods raise DeployErrors, whose messages begin with `source` and `path`.

    A key that is missing or null has the default; without a default it is required.
    """

    def __init__(self, values: Any, source: str, path: str = "") -> None:
        self._source, self._path = source, path
        if not isinstance(values, Mapping):
            raise DeployError(f"{source}:{f' {path}:' if path else ''} found {_kind(values)}; expected keys and values")
        self._values = values

    def error(self, key: str, found: str, expected: str) -> DeployError:
        """`file: dotted.key: what was found; what was expected`."""
        dotted = f"{self._path}.{key}" if self._path and key else self._path or key
        return DeployError(f"{self._source}: {dotted}: {found}; expected {expected}")

    @property
    def names(self) -> list[Any]:
        """The keys of this mapping."""
        return list(self._values)

    def value(self, key: str, expected: str, default: Any = None) -> Any:
        """The value of any type; if it is missing, the message names `expected`."""
        value = self._values.get(key)
        if value is None and default is None:
            raise self.error(key, "missing", expected)
        return default if value is None else value

    def section(self, key: str) -> Section:
        """The mapping at `key`; empty if there is none."""
        path = f"{self._path}.{key}" if self._path else key
        return Section(self.value(key, "keys and values", {}), self._source, path)

    def sections(self, key: str) -> list[Section]:
        """The list of mappings at `key`."""
        path = f"{self._path}.{key}" if self._path else key
        return [
            Section(each, self._source, f"{path}[{i}]") for i, each in enumerate(self.items(key, "a list of mappings"))
        ]

    def items(self, key: str, expected: str, default: Sequence[Any] | None = None) -> list[Any]:
        """The list at `key`."""
        values = self.value(key, expected, default)
        if not isinstance(values, (list, tuple)):
            raise self.error(key, f"found {shown(values)}", expected)
        return list(values)

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A finite number of low..high."""
        return self._number(key, self.value(key, f"a number of {low} to {high}", default), low, high)

    def numbers(self, key: str, count: int, low: float, high: float) -> list[float]:
        """`count` finite numbers of low..high."""
        values = self.items(key, f"{count} numbers")
        if len(values) != count:
            raise self.error(key, f"found {shown(values)}", f"{count} numbers")
        return [self._number(f"{key}[{i}]", each, low, high) for i, each in enumerate(values)]

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number of low..high."""
        return self._whole(key, self.value(key, f"a whole number of {low} to {high}", default), low, high)

    def wholes(self, key: str, low: int, high: int, default: Sequence[int] | None = None) -> list[int]:
        """A list of whole numbers of low..high."""
        values = self.items(key, f"a list of whole numbers of {low} to {high}", default)
        return [self._whole(f"{key}[{i}]", each, low, high) for i, each in enumerate(values)]

    def truth(self, key: str, default: bool) -> bool:
        """true or false."""
        return bool(self.choice(key, (True, False), default))

    def choice(self, key: str, choices: Sequence[Any], default: Any) -> Any:
        """One of `choices`, or the default if it is missing."""
        value = self._values.get(key)
        if value is None:
            return default
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise self.error(key, f"found {shown(value)}", " or ".join(map(shown, choices)))
        return value

    def _number(self, key: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.error(key, f"found {shown(value)}", f"a number of {low:g} to {high:g}")
        return float(value)

    def _whole(self, key: str, value: Any, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(key, f"found {shown(value)}", f"a whole number of {low} to {high}")
        return value


def shown(value: Any) -> str:
    """The value as a short printable text."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}"
    text = value if isinstance(value, str) and value.isascii() and value.isprintable() else ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def _kind(value: Any) -> str:
    return {"NoneType": "nothing", "str": "text"}.get(type(value).__name__, type(value).__name__)
