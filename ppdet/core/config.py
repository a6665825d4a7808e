"""YAML files -> one immutable tree. Reading a config constructs nothing and runs no code.

The dialect is that of PaddleDetection's configs:

- `_BASE_` is a path or a list of paths relative to the file. A later base wins over an earlier one, the file itself
  over its bases. Plain mappings merge key by key; lists and scalars replace.
- `!Tag {…}` replaces what it meets and reads as `{name: Tag, …}`.
- `-o a.b.c=value` overrides last: the value is YAML, list items are named by their index.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from ppdet.core.errors import UserError

logger = logging.getLogger(__name__)

BASE_KEY = "_BASE_"


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
    """Read `path` with its bases, apply `overrides` (`a.b.c=value`), and add `filename` (the file's stem) if absent.

    Raises:
        UserError: a file is missing, unreadable or no YAML mapping, bases form a cycle, an override cannot be applied.
    """
    path = Path(path).expanduser()
    try:
        tree = _load(path, chain=())
        for text in overrides:
            tree = _override(tree, text)
        return Config({"filename": path.stem, **tree})
    except RecursionError:
        raise UserError(f"{path}: an alias contains itself or the nesting is too deep; write the values out") from None


class _Tagged(dict[str, Any]):
    """A mapping written as `!Tag {…}`: when merging it replaces what was there."""


class _Loader(yaml.SafeLoader):
    """SafeLoader plus `!Tag` mappings and floats such as `1e-4`, which YAML 1.1 takes for strings."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # A warning, not an error: published configs repeat keys.
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
            if key.value in seen:
                line = key.start_mark.line + 1
                logger.warning("%s:%d: %r is given twice; this one wins", self.name, line, key.value)
            seen.add(key.value)
        return node

    def construct_tag(self, suffix: str, node: yaml.Node) -> _Tagged:
        options: dict[Any, Any] = {}
        problem = None
        if isinstance(node, yaml.MappingNode):
            options = self.construct_mapping(node, deep=True)
            problem = "has a 'name' key as well" if "name" in options else None
        elif node.value:
            problem = f"takes a mapping, as in !{suffix} {{key: value}}"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, f"!{suffix} {problem}", node.start_mark)
        return _Tagged({"name": suffix} | options)


_Loader.add_multi_constructor("!", _Loader.construct_tag)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def _load(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    """The merged tree of `path`; `chain` holds the files that led here, outermost first."""
    trail = " -> ".join(str(step) for step in (*chain, path))
    if path.resolve() in [step.resolve() for step in chain]:
        raise UserError(f"{chain[-1]}: {BASE_KEY} forms a cycle: {trail}; remove one of the links")
    own = _parse(_read(path, f"reached by {BASE_KEY}: {trail}" if chain else "give the path of a config"), str(path))
    own = {} if own is None else own
    if not isinstance(own, dict):
        raise UserError(f"{path}: holds a {type(own).__name__}; a config is a mapping of keys to values")
    bases = own.pop(BASE_KEY, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise UserError(f"{path}: {BASE_KEY} is {bases!r}; expected a path or a list of paths")
    tree: dict[str, Any] = {}
    for base in bases:
        tree = _merge(tree, _load(path.parent / Path(base).expanduser(), (*chain, path)))
    return _merge(tree, own)  # type: ignore[no-any-return]  # two dicts merge into a dict


def _read(path: Path, hint: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read, {str(error.strerror).lower()}; {hint}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; {hint}") from None


def _parse(text: str, where: str) -> Any:
    """YAML `text` -> plain values; `where` (a file or an option) starts the error, followed by the line of a file."""
    try:
        loader = _Loader(text)
        loader.name = where
        value = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{where}{line}: not a valid config, {problem}") from None
    except (ValueError, TypeError) as error:  # PyYAML lets these through: `0b`, an impossible date, an unhashable key
        raise UserError(f"{where}: not a valid config, {error}") from None
    _check_keys(value, where)
    return value


def _check_keys(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise UserError(f"{where}: key {key!r} is {type(key).__name__}; keys are strings, quote it")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_keys(item, where)


def _merge(base: Any, top: Any) -> Any:
    """`top` over `base` as a new tree: plain mappings key by key, anything else replaces. Changes neither."""
    if isinstance(top, _Tagged) or not (isinstance(base, dict) and isinstance(top, dict)):
        return top
    merged = base | {key: _merge(base.get(key), value) for key, value in top.items()}
    return _Tagged(merged) if isinstance(base, _Tagged) else merged


def parse_override(text: str) -> tuple[list[str], Any]:
    """The keys and the value of `a.b.c=value`."""
    dotted, equals, value = text.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"-o {text}: expected key.path=value, as in -o LearningRate.base_lr=0.08")
    return keys, _parse(value, f"-o {text}")


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
