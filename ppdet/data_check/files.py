"""Checks of the image files: there, whole, and listed once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ppdet.data_check.finding import Finding, found
from ppdet.data_check.pixels import Pixels
from ppdet.data_check.split import Split
from ppdet.deploy.images import SUFFIXES

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
_AGAIN = "fetch them again or leave them out; training skips a few, evaluation stops"


def files_missing(split: Split) -> Finding | None:
    """There is no such file."""
    places = [image.name for image, pixels in zip(split.images, split.pixels, strict=True) if pixels is None]
    advice = "check image_dir and the names; training and evaluation do not start"
    return found("error", "images are missing", places, advice)


def files_listed_twice(split: Split) -> Finding | None:
    """Two entries of the annotation file name the same file."""
    counts = Counter(os.path.normpath(image.file) for image in split.images)
    names = {os.path.normpath(image.file): image.name for image in split.images}
    places = [names[file] for file, count in counts.items() for _ in range(count - 1)]
    advice = "give all annotations of an image one entry: each takes the other's objects for background"
    return found("error", "images are listed again under another id", places, advice)


def files_empty(split: Split) -> Finding | None:
    """A file without a byte."""
    return found("error", "files are empty", _with_problem(split, "empty"), _AGAIN)


def files_truncated(split: Split) -> Finding | None:
    """An image whose end is missing."""
    return found("error", "images are cut short", _with_problem(split, "truncated"), _AGAIN)


def files_unreadable(split: Split) -> Finding | None:
    """A file that is not an image, or a damaged one."""
    return found("error", "files are not images that can be decoded", _with_problem(split, "unreadable"), _AGAIN)


def files_misnamed(split: Split) -> Finding | None:
    """The extension names another format than the contents."""
    places = [
        image.name
        for image, pixels in zip(split.images, split.pixels, strict=True)
        if pixels and _is_misnamed(image.file, pixels)
    ]
    return found("info", "images have the extension of another format", places, "nothing to do here; rename for others")


def files_unreferenced(splits: Sequence[Split]) -> Finding | None:
    """An image file in the folders of the splits that no annotation file lists."""
    listed = {os.path.realpath(image.file) for split in splits for image in split.images}
    folders = {Path(os.path.realpath(split.folder)) for split in splits}
    files = sorted(
        file
        for folder in folders
        for file in (folder.iterdir() if folder.is_dir() else [])
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )
    places = [f"{file.parent.name}/{file.name}" for file in files if os.path.realpath(file) not in listed]
    advice = "annotate them or list them as images without objects; they are not used"
    return found("warning", "image files are in no annotation file", places, advice)


def _with_problem(split: Split, problem: str) -> list[str]:
    pairs = zip(split.images, split.pixels, strict=True)
    return [image.name for image, pixels in pairs if pixels and pixels.problem == problem]


def _is_misnamed(file: str, pixels: Pixels) -> bool:
    suffix, usual = os.path.splitext(file)[1].lower(), _SUFFIXES.get(pixels.kind)
    known = any(suffix in suffixes for suffixes in _SUFFIXES.values())
    return usual is not None and known and suffix not in usual
