"""Finds the parts of a Pascal VOC folder: lists, images and XML files, whatever their folders are called."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import Part, read_lines
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.layout import contains, files_in, folders, image_folder
from ppdet.data.datasets.splits import belongs

XML_FOLDERS = ("Annotations", "Annotation", "annots", "annot", "xml", "xmls")
IMAGE_FOLDERS = ("JPEGImages", "images", "image", "img", "imgs", "jpgs", "photos", "pictures")
TWO_PATHS = re.compile(r"(.+?\.(?:jpe?g|png|bmp|webp|tiff?)|\S+)\s+(.+\.xml)", re.IGNORECASE)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_ALL_SUFFIXES = (*_SUFFIXES, *(suffix.upper() for suffix in _SUFFIXES), *(f".{s[1:].capitalize()}" for s in _SUFFIXES))
_EXTENSION = re.compile(r"\.(?:jpe?g|png|bmp|webp|tiff?|xml)$", re.IGNORECASE)
_FLAG = re.compile(r"(.+?)\s+(?:-1|0|1)")  # of VOC's lists per class, after the name
_FIRST = 100  # lines of a list, of which one has to be of an image with an XML file
_LISTS = ("ImageSets/Main", "ImageSets", ".")


def splits(root: Path) -> list[Part]:
    """The lists of images; without any the folders of XML files."""
    places = [folder for folder in folders(root) if (files := xml_files(folder)) and _is_voc(files[0])]
    if not places:
        return []
    lists = [path for name in _LISTS if (root / name).is_dir() for path in files_in(root / name, ".txt")]
    if found := [path for path in lists if _lists_images(path, root, places)]:
        return [Part(name, {"anno_path": name}) for path in found for name in [os.path.relpath(path, root)]]
    return [_folder_part(root, place) for place in places]


def _is_voc(path: Path) -> bool:
    return contains(path, rb"<annotation[\s>]")


def _lists_images(path: Path, root: Path, places: Sequence[Path]) -> bool:
    """Whether one of the first lines of a text file names an image that has an XML file."""
    try:
        lines = read_lines(path)[:_FIRST]
    except UserError:  # not UTF-8, which reading it will say
        return any(belongs(path.stem, split) for split in ("train", "val", "test"))
    files = FileNames()
    two = [match for line in lines if (match := TWO_PATHS.fullmatch(line))]
    if two:
        return any(files.has(files.find(root, match[2])) for match in two)
    return any(find_xml(files, place, line)[1].is_file() for line in lines for place in places)


def _folder_part(root: Path, place: Path) -> Part:
    name, stem = os.path.relpath(place, root), xml_files(place)[0].stem
    images = image_folder(root, place, [f"{stem}{suffix}" for suffix in _ALL_SUFFIXES])
    return Part(name, {"anno_path": name, "image_dir": images or ""})


def xml_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.[xX][mM][lL]"))  # macOS creates ._a.xml next to a.xml


def folder_of(root: Path, names: Sequence[str], beside: Path | None = None) -> Path:
    """The first of `names` that is a folder in `root`, in any case of letters; else `beside` if it has XML files.

    Without any it is the first name, for messages.
    """
    there = {path.name.casefold(): path for path in root.iterdir()} if root.is_dir() else {}
    for name in names:
        if (path := there.get(name.casefold())) and path.is_dir():
            return path
    return beside if beside and xml_files(beside) else root / names[0]


def find_xml(files: FileNames, folder: Path, line: str) -> tuple[str, Path]:
    """(name without extension, XML file) of the image in a line of the list."""
    names = _names(line)
    found = ((name, files.find(folder, f"{name}{suffix}")) for name in names for suffix in (".xml", ".XML"))
    name, xml = next((pair for pair in found if files.has(pair[1])), (names[-1], f"{folder}/{names[-1]}.xml"))
    return name, Path(xml)


def _names(line: str) -> list[str]:
    """The possible names without extension of the image in a line, likely ones first. Names may have spaces, dots."""
    path = line.replace("\\", "/")
    flagged = _FLAG.fullmatch(path)
    ways = [path, *([flagged[1]] if flagged else [])]
    return [name for way in ways for name in dict.fromkeys([way, _EXTENSION.sub("", way)])]


def find_image(files: FileNames, folder: Path, line: str, name: str) -> Path:
    names = [*([line] if _EXTENSION.search(line) else []), *(f"{name}{suffix}" for suffix in _ALL_SUFFIXES)]
    found = (path for each in names if files.has(path := files.find(folder, each)))
    return Path(next(found, folder / names[0]))  # the reader reports missing images
