"""YAML files -> one immutable tree. Reading a config constructs nothing and runs no code.

The dialect is that of PaddleDetection's configs:

- `_BASE_` is a path or a list of paths relative to the file, or names of shipped configs. A later base wins over an
  earlier one, the file itself over its bases. Plain mappings merge key by key; lists and scalars replace.
- `!Tag {…}` replaces what it meets and reads as `{name: Tag, …}`.
- `-o a.b.c=value` overrides last: the value is YAML, list items are named by their index.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ppdet.core.config_files import load_files
from ppdet.core.errors import UserError
from ppdet.core.overrides import apply_override, dotted_keys, parse_override
from ppdet.core.shipped_configs import find_config


class Config(Mapping[str, Any]):
    """An immutable mapping: nested mappings are `Config`, lists are tuples. Compares, hashes and pickles by content."""

    __slots__ = ("_items",)
    _items: dict[str, Any]

    def __init__(self, items: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_items", {key: _freeze(value) for key, value in items.items()})

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return f"Config({self.to_dict()!r})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"Config is immutable; cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"Config is immutable; cannot delete {name!r}")

    def __reduce__(self) -> tuple[type[Config], tuple[dict[str, Any]]]:
        return Config, (self.to_dict(),)

    def to_dict(self) -> dict[str, Any]:
        """A deep copy of plain dicts and lists, free to change."""
        return {key: thaw(value) for key, value in self.items()}


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value if isinstance(value, Config) else Config(value)
    return tuple(map(_freeze, value)) if isinstance(value, (list, tuple)) else value


def thaw(value: Any) -> Any:
    """`value` with every Config as a dict and every tuple as a list, recursively."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    return [thaw(item) for item in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class Place:
    """The place where a key of a config is set: a line of a file, or `-o`."""

    layer: int  # a higher one wins: first the bases, then the file itself, then -o
    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config with its bases, apply `overrides` (`a.b.c=value`), and add `filename` (the file's stem) if absent.

    path: a file, or the name of a shipped config. A `~` at the beginning of a text becomes the home folder.

    Raises:
        UserError: a file is missing, unreadable or no YAML mapping, bases form a cycle, an override cannot be applied.
    """
    return load_with_places(path, overrides)[0]


def load_with_places(path: str | Path, overrides: Sequence[str] = ()) -> tuple[Config, dict[str, Place]]:
    """`load_config`, and the place that gave each dotted key its value. Keys that were replaced may be among them."""
    path = find_config(path)
    try:
        tree, files = load_files(path)
        for text in overrides:
            tree = apply_override(tree, text)
        config = Config({"filename": path.stem, **_with_home(tree)})
        given = [key for text in overrides for key in dotted_keys(*parse_override(text))]
    except RecursionError:
        raise UserError(f"{path}: a key of -o is nested too deeply; the deepest have about 10 names") from None
    places: dict[str, Place] = {}
    for layer, file in enumerate(files):
        places |= {key: Place(layer, _short(file.path), line) for key, line in file.lines.items()}
    return config, places | dict.fromkeys(given, Place(len(files), "-o"))


def _short(path: Path) -> str:
    """`path` for a message: without `..`, and relative to the current folder if it is inside."""
    text, here = os.path.normpath(path), os.getcwd() + os.sep
    return text.removeprefix(here)


def _with_home(value: Any) -> Any:
    """Replace the `~` at the beginning of texts, which are paths, by the home folder."""
    if isinstance(value, dict):
        return {key: _with_home(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_home(item) for item in value]
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~") else value
