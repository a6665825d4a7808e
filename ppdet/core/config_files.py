"""The files of a config: each with its bases, merged into one tree."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import find_config, name_hint
from ppdet.core.yaml_text import LONGEST, Tagged, check_length, parse

BASE_KEY = "_BASE_"
_DEEPEST = 20  # files one below the other
_SHORTEST = 1000  # characters that a file counts for at least, which limits their number as well


@dataclass(frozen=True)
class ConfigFile:
    """One file, without its bases."""

    path: Path
    tree: dict[str, Any]
    bases: list[Path]
    length: int  # in characters, see `Document`
    lines: dict[str, int]  # of its dotted keys, from 1


def load_files(path: Path, chain: tuple[Path, ...] = ()) -> tuple[dict[str, Any], list[ConfigFile]]:
    """The merged tree of `path`, and its files in the order in which they win: `path` itself is the last.

    chain: the files that led here, outermost first.

    Raises:
        UserError: a file is missing, unreadable or no YAML mapping, or bases form a cycle.
    """
    own = _read_file(path, chain)
    tree: dict[str, Any] = {}
    files: list[ConfigFile] = []
    for base in own.bases:
        below, below_files = load_files(base, (*chain, path))
        files += below_files
        # before the next one: files that name each other twice have no end
        check_length(own.length + sum(file.length for file in files), str(path))
        tree = merge(tree, below)
    return merge(tree, own.tree), [*files, own]


def read_own_keys(path: Path) -> dict[str, Any]:
    """The keys of a single file, without those of its bases. Raises UserError as `load_files` does."""
    return _read_file(path, ()).tree


def _read_file(path: Path, chain: tuple[Path, ...]) -> ConfigFile:
    trail = " -> ".join(str(step) for step in (*chain, path))
    if os.path.realpath(path) in map(os.path.realpath, chain):
        raise UserError(f"{chain[-1]}: {BASE_KEY} forms a cycle: {trail}; remove one of the links")
    if len(chain) == _DEEPEST:
        raise UserError(f"{chain[0]}: {BASE_KEY} leads through more than {_DEEPEST} files; merge some of them")
    text = _read_text(path, f"reached by {BASE_KEY}: {trail}" if chain else name_hint(path))
    value, length, lines = parse(text, str(path))
    tree = {} if value is None else value
    if not isinstance(tree, dict):
        raise UserError(f"{path}: holds a {type(tree).__name__}; a config is a mapping of keys to values")
    bases = tree.pop(BASE_KEY, [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise UserError(f"{path}: {BASE_KEY} is {bases!r}; expected a path or a list of paths")
    found = [find_config(base, path.parent) for base in bases]
    return ConfigFile(path, tree, found, max(length, _SHORTEST), lines)


def _read_text(path: Path, hint: str) -> str:
    try:
        if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path}: is not a regular file, and might never end; {hint}")
        with path.open(encoding="utf-8") as file:
            return file.read(LONGEST + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read, {str(error.strerror).lower()}; {hint}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; {hint}") from None


def merge(base: Any, top: Any) -> Any:
    """`top` over `base` as a new tree: plain mappings key by key, anything else replaces. Changes neither."""
    if isinstance(top, Tagged) or not (isinstance(base, dict) and isinstance(top, dict)):
        return top
    merged = base | {key: merge(base.get(key), value) for key, value in top.items()}
    return Tagged(merged) if isinstance(base, Tagged) else merged
