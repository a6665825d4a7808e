"""Finds files by the names in an annotation file, or by another spelling of the same name."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


class FileNames:
    """The existing files. Each folder is listed once, so that look-ups are fast even in a network folder of 100,000."""

    def __init__(self) -> None:
        self._listed: dict[str, set[str]] = {}
        self._composed: dict[str, dict[str, str]] = {}

    def has(self, path: str) -> bool:
        """Whether `path` is a regular file, or a link to one."""
        folder, name = os.path.split(path)
        if folder not in self._listed:
            self._listed[folder] = _regular_files(folder)
        return name in self._listed[folder] or os.path.isfile(path)  # the file system may ignore case

    def find(self, folder: Path, name: str) -> str:
        """The path of the file that `name` in `folder` stands for.

        If no file has exactly that name, other spellings are tried: / instead of the backslashes of Windows, decoded
        %20 and the like, and the other composition of accents, which macOS uses. If none exists, the path is returned
        as given.
        """
        root = os.fspath(folder)
        path = name if root == "." else os.path.join(root, name)  # a Path would take ten times as long
        if self.has(path):
            return path
        found = (self._with_any_accents(root, spelling) for spelling in _spellings(name))
        return next((other for other in found if other is not None), path)

    def _with_any_accents(self, folder: str, name: str) -> str | None:
        path = "/" if name.startswith("/") else folder
        for part in filter(None, name.split("/")):
            exact = os.path.join(path, part)
            if os.path.exists(exact):
                path = exact
            elif other := self._names_composed(path).get(unicodedata.normalize("NFC", part)):
                path = os.path.join(path, other)
            else:
                return None
        return path if self.has(path) else None

    def _names_composed(self, folder: str) -> dict[str, str]:
        """The names in `folder`, by their form with composed accents."""
        if folder not in self._composed:
            names = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
            self._composed[folder] = {unicodedata.normalize("NFC", name): name for name in names}
        return self._composed[folder]


def without_dots(path: str) -> str:
    """The path of a file without `.` and `..`, which lead elsewhere after a link to a folder: it is followed then."""
    short = os.path.normpath(path)
    folder, name = os.path.split(path)
    if ".." not in folder or os.path.realpath(folder) == os.path.realpath(os.path.dirname(short)):
        return short
    return os.path.join(os.path.realpath(folder), name)


def missing_files(paths: Sequence[str]) -> list[int]:
    """The positions of the paths that are not files."""
    files = FileNames()
    return [index for index, path in enumerate(paths) if not files.has(path)]


def describe_missing(path: str) -> str:
    """One line about a path that is not a file, with the reason if it can be found."""
    folder, name = os.path.split(path)
    found, advice = "there is no such file", "check image_dir and the file names of the annotations"
    names = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    if os.path.exists(path):
        found, advice = "it is no regular file", "correct the name in the annotations"
    elif "\\" in name:
        advice = "the name has the backslashes of Windows: write / instead, and start at image_dir"
    elif other := next((each for each in names if each.casefold() == name.casefold()), None):
        advice = f"there is {other}: capital and small letters differ"
    elif re.search(r"\bhttps?:/", path):
        advice = "the name is an address: fetch the images, and write the names of their files"
    elif _ESCAPE.search(name):
        found += f", nor {unquote(name)}"
    return f"{path}: cannot be read ({found}); {advice}"


def _spellings(name: str) -> Iterator[str]:
    yield name
    slashes = name.replace("\\", "/")
    yield slashes
    if _ESCAPE.search(name):
        yield unquote(name)
        yield unquote(slashes)


def _regular_files(folder: str) -> set[str]:
    try:
        with os.scandir(folder or ".") as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except (OSError, ValueError):  # missing, may not be listed, or not a possible name
        return set()
