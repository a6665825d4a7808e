"""Looks into a folder of unknown layout: its folders, the kinds of its files, the place of its images."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.file_names import FileNames
from ppdet.utils.json_file import read_text

_DEPTH = 2  # levels of folders below the root
_MANY = 100  # JSON, XML or CSV files in one folder; more are files of one image each
_WORD = re.compile(r"[a-z]+")


def folders(root: Path, depth: int = _DEPTH) -> list[Path]:
    """The folder, those in it, and those in these, without hidden ones."""
    found = [root]
    if depth:
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
        found += [path for name in names for path in folders(root / name, depth - 1)]
    return found


def files_in(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with a suffix in any case, sorted, without hidden ones."""
    with os.scandir(folder) as entries:
        names = sorted(each.name for each in entries if each.name.lower().endswith(suffix) and each.name[0] != ".")
    return [path for name in names if (path := folder / name).is_file()]


def annotation_files(root: Path, suffix: str) -> list[Path]:
    """The files with a suffix that may each hold the annotations of many images."""
    return [path for folder in folders(root) if len(files := files_in(folder, suffix)) <= _MANY for path in files]


def contains(path: Path, *patterns: bytes) -> bool:
    """Whether each of the regular expressions matches somewhere in a text file."""
    return all(match is not None for match in matches(path, *patterns))


def matches(path: Path, *patterns: bytes) -> list[bytes | None]:
    """The first group (or all) of the first match of each regular expression; None without a match."""
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16
            return _search(_as_utf8(path), patterns)
        if os.fstat(file.fileno()).st_size == 0:
            return [None] * len(patterns)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # may be hundreds of megabytes
            return _search(data, patterns)


def _as_utf8(path: Path) -> bytes:
    try:
        return read_text(path).encode("utf-8", "replace")
    except UserError:
        return b""


def _search(data: bytes | mmap.mmap, patterns: Iterable[bytes]) -> list[bytes | None]:
    found = (re.search(pattern, data) for pattern in patterns)
    return [match and match[match.re.groups and 1] for match in found]


def image_folder(root: Path, near: Path, names: Sequence[str]) -> str | None:
    """The folder, relative to `root`, that has one of the images `names`; None if none has.

    Folders whose path has more words in common with `near`, the path of the annotations, come first.
    """
    files = FileNames()
    words = set(_WORD.findall(str(near.relative_to(root)).lower()))
    places = folders(root)
    own = near if near.is_dir() else near.parent
    places.sort(key=lambda each: (each != own, -len(words & set(_WORD.findall(str(each.relative_to(root)).lower())))))
    found = (place for place in places for name in names if files.has(files.find(place, name)))
    place = next(found, None)
    return None if place is None else os.path.relpath(place, root)
