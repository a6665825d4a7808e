"""YAML files -> one immutable tree. Reading a config constructs nothing and runs no code.

The dialect is that of PaddleDetection's configs:

- `_BASE_` is a path or a list of paths relative to the file, or names of shipped configs. A later base wins over an
  earlier one, the file itself over its bases. Plain mappings merge key by key; lists and scalars replace.
- `!Tag {…}` replaces what it meets and reads as `{name: Tag, …}`.
- `-o a.b.c=value` overrides last: the value is YAML, list items are named by their index.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import find_config, name_hint
from ppdet.core.yaml_text import LONGEST, Tagged, check_length, parse

BASE_KEY = "_BASE_"
_DEEPEST = 20  # files one below the other
_SHORTEST = 1000  # characters that a file counts for at least, which limits their number as well


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

    def __setattr__(self, name: str, value: object = None) -> NoReturn:
        raise AttributeError(f"Config is immutable; cannot change {name!r}")

    __delattr__ = __setattr__

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


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config with its bases, apply `overrides` (`a.b.c=value`), and add `filename` (the file's stem) if absent.

    path: a file, or the name of a shipped config. A `~` at the beginning of a text becomes the home folder.

    Raises:
        UserError: a file is missing, unreadable or no YAML mapping, bases form a cycle, an override cannot be applied.
    """
    path = find_config(path)
    try:
        tree, _ = _load(path, chain=())
        for text in overrides:
            tree = _override(tree, text)
        return Config({"filename": path.stem, **_with_home(tree)})
    except RecursionError:
        raise UserError(f"{path}: a key of -o is nested too deeply; the deepest have about 10 names") from None


def _with_home(value: Any) -> Any:
    """`value` with the home folder for the `~` that texts in it begin with: they are paths."""
    if isinstance(value, dict):
        return {key: _with_home(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_home(item) for item in value]
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~") else value


def values_set_together(path: str | Path, keys: Sequence[str]) -> list[Any] | None:
    """The values of dotted `keys` in the innermost file that, with its bases, has them all; None if there is none.

    A published config has a learning rate and the batch size that it is for; a config of one's own that extends it may
    change one of them.
    """
    path = find_config(path)
    for base in _own(path, chain=())[1]:
        if found := values_set_together(base, keys):
            return found
    values: list[Any] = []
    for key in keys:
        value: Any = _load(path, chain=())[0]
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        values.append(value)
    return None if None in values else values


def _load(path: Path, chain: tuple[Path, ...]) -> tuple[dict[str, Any], int]:
    """The merged tree of `path` and its length, see `parse`; `chain` holds the files that led here, outermost first."""
    own, bases, length = _own(path, chain)
    tree: dict[str, Any] = {}
    for base in bases:
        below, characters = _load(base, (*chain, path))
        length += characters
        check_length(length, str(path))  # before the next one: files that name each other twice have no end
        tree = _merge(tree, below)
    return _merge(tree, own), length


def _own(path: Path, chain: tuple[Path, ...]) -> tuple[dict[str, Any], list[Path], int]:
    """The tree of `path` without its bases, the bases, and its length."""
    trail = " -> ".join(str(step) for step in (*chain, path))
    if os.path.realpath(path) in map(os.path.realpath, chain):
        raise UserError(f"{chain[-1]}: {BASE_KEY} forms a cycle: {trail}; remove one of the links")
    if len(chain) == _DEEPEST:
        raise UserError(f"{chain[0]}: {BASE_KEY} leads through {_DEEPEST} files and on; put some of them together")
    text = _read(path, f"reached by {BASE_KEY}: {trail}" if chain else name_hint(path))
    own, length = parse(text, str(path))
    length = max(length, _SHORTEST)
    own = {} if own is None else own
    if not isinstance(own, dict):
        raise UserError(f"{path}: holds a {type(own).__name__}; a config is a mapping of keys to values")
    bases = own.pop(BASE_KEY, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise UserError(f"{path}: {BASE_KEY} is {bases!r}; expected a path or a list of paths")
    return own, [find_config(base, path.parent) for base in bases], length


def _read(path: Path, hint: str) -> str:
    try:
        if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path}: is not a regular file, and could be without end; {hint}")
        with path.open(encoding="utf-8") as file:
            return file.read(LONGEST + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read, {str(error.strerror).lower()}; {hint}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; {hint}") from None


def _merge(base: Any, top: Any) -> Any:
    """`top` over `base` as a new tree: plain mappings key by key, anything else replaces. Changes neither."""
    if isinstance(top, Tagged) or not (isinstance(base, dict) and isinstance(top, dict)):
        return top
    merged = base | {key: _merge(base.get(key), value) for key, value in top.items()}
    return Tagged(merged) if isinstance(base, Tagged) else merged


def parse_override(text: str) -> tuple[list[str], Any]:
    """The keys and the value of `a.b.c=value`."""
    dotted, equals, value = text.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"-o {text}: expected key.path=value, as in -o LearningRate.base_lr=0.08")
    return keys, parse(value, f"-o {text[:_SHORTEST]}")[0]


def _override(tree: dict[str, Any], text: str) -> dict[str, Any]:
    """`tree` with `a.b.c=value` applied, as a new tree; mappings missing on the way are made."""
    keys, parsed = parse_override(text)

    def replaced(node: Any, depth: int) -> Any:
        if depth == len(keys):
            return _merge(node, parsed)
        key, at = keys[depth], ".".join(keys[:depth])
        if isinstance(node, list):
            if not key.isdecimal() or int(key) >= len(node):
                raise UserError(f"-o {text}: {at} is a list of {len(node)}; give an index below that, not {key!r}")
            index = int(key)
            return [*node[:index], replaced(node[index], depth + 1), *node[index + 1 :]]
        node = {} if node is None else node
        if not isinstance(node, dict):
            raise UserError(f"-o {text}: {at} is {node!r}, neither a mapping nor a list; nothing can be set inside it")
        return _merge(node, {key: replaced(node.get(key), depth + 1)})

    return replaced(tree, 0)  # type: ignore[no-any-return]  # a dict stays a dict
