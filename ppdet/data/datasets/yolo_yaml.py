"""Reader of Ultralytics' data.yaml, or of a list of class names instead: the names, and the images of a split."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import checked_names, read_lines, read_names
from ppdet.data.datasets.file_names import FileNames, without_dots
from ppdet.data.datasets.layout import contains
from ppdet.data.datasets.splits import names_of
from ppdet.deploy.images import SUFFIXES
from ppdet.utils.json_file import UNFIT, read_text

logger = logging.getLogger(__name__)

YAML_SUFFIXES = (".yaml", ".yml")
SPLITS = ("train", "val", "test")
_EXPECTED = "expected the keys names, train and val (a data.yaml of Ultralytics)"


@dataclass(frozen=True)
class YoloFile:
    """The class names and the images of a data set.

    Attributes:
        path: the file.
        names: the class names, by class index.
        splits: for each split that there is, the folders, lists, globs and images that it names.
        folders: the folders that these may be relative to.
        has_keypoints: whether the labels have keypoints after the box.
    """

    path: Path
    names: list[str]
    splits: dict[str, list[str]]
    folders: Sequence[Path]
    has_keypoints: bool

    def images(self, split: str) -> list[str]:
        """The paths of a split's images, without repetitions: folders and globs sorted, lists in their order."""
        key = next((name for name in names_of(split) if name in self.splits), None)
        if key is None:
            there = ", ".join(self.splits) or "none"
            raise UserError(f"{self.path}: has no key {split!r} (splits: {there}); {_EXPECTED}")
        files = FileNames()
        found = [image for entry in self.splits[key] for image in self._images_of(key, entry, files)]
        if not found:
            raise UserError(
                f"{self.path}: {key}: {', '.join(self.splits[key])} holds no images ({', '.join(SUFFIXES)}); add some, "
                f"or remove the key {key}"
            )
        return list(dict.fromkeys(map(without_dots, found)))

    def _images_of(self, key: str, entry: str, files: FileNames) -> Iterator[str]:
        if glob.has_magic(entry):
            patterns = [os.path.join(folder, entry) for folder in self.folders]
            found = next((paths for each in patterns if (paths := glob.glob(each, recursive=True))), [])
            yield from sorted(path for path in found if _is_image(path))
            return
        place = self._place(key, entry)
        if place.is_dir():
            walked = (
                Path(top, name) for top, _, names in os.walk(place, onerror=_refuse, followlinks=True) for name in names
            )
            yield from map(str, sorted(path for path in walked if _is_image(path.name)))
        elif place.suffix.lower() == ".txt":
            for line in read_lines(place):
                beside = files.find(place.parent, line)
                others = (files.find(folder, line) for folder in self.folders)
                yield next((path for path in (beside, *others) if files.has(path)), beside)
        else:
            yield str(place)

    def _place(self, key: str, entry: str) -> Path:
        """The file or folder that an entry names. Roboflow writes ../train/images for train/images."""
        ways = [entry, *([entry[3:]] if entry.startswith("../") else [])]
        places = [folder / way for way in ways for folder in self.folders]
        found = next((place for place in places if place.exists()), None)
        if found is None:
            raise UserError(
                f"{self.path}: {key}: {places[0]} does not exist; expected a folder of images, a list or a glob, "
                "relative to path (or to this file); correct it"
            )
        return found


def read_yolo(path: Path) -> YoloFile:
    """Reads a data.yaml, or a list of class names. Raises UserError, which names the key at fault."""
    if path.suffix.lower() not in YAML_SUFFIXES:
        return _around_names(path)
    content = _load(path)
    if content is None:
        raise UserError(f"{path}: not valid YAML; {_EXPECTED}")
    if not isinstance(content, dict):
        raise UserError(f"{path}: found no mapping; {_EXPECTED}")
    if "names" not in content:
        raise UserError(f"{path}: has no key 'names', the class names; {_EXPECTED}")
    splits = {
        key: entries
        for key in SPLITS
        if (entries := _entries(path, key, next((content[n] for n in names_of(key) if n in content), "")))
    }
    folders = _folders(path, content.get("path"))
    splits = splits or _splits_of(folders[0])
    return YoloFile(path, _names(path, content), splits, folders, "kpt_shape" in content)


def _around_names(path: Path) -> YoloFile:
    root = path.parent.parent if path.parent.name == "labels" else path.parent
    return YoloFile(path, read_names(path), _splits_of(root), [root], False)


def _splits_of(root: Path) -> dict[str, list[str]]:
    """The splits by the names of folders: images/train or train/images, else all images as the split `all`."""
    places = {key: [each for name in names_of(key) for each in (f"images/{name}", f"{name}/images")] for key in SPLITS}
    found = {key: [each for each in each_of if (root / each).is_dir()] for key, each_of in places.items()}
    splits = {key: each_of for key, each_of in found.items() if each_of}
    all_images = "images" if (root / "images").is_dir() else "."
    return splits or {"all": [all_images]}


def looks_like_yolo(path: Path) -> bool:
    """Whether a YAML file has two of the keys of a data.yaml."""
    try:
        content = _load(path)
    except UserError:  # not UTF-8, which reading it will say
        return contains(path, rb"(?m)^names\s*:", rb"(?m)^(nc|train|val|test)\s*:")
    return isinstance(content, dict) and len({"names", "nc", *SPLITS} & set(content)) >= 2


def _load(path: Path) -> Any:
    """The parsed text, with all scalars as text (a class may be called `yes` or 1); None if it is not YAML."""
    try:
        return yaml.load(read_text(path), yaml.BaseLoader)  # makes texts, lists and mappings only
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        return None


def _names(path: Path, content: dict[str, Any]) -> list[str]:
    names = content["names"]
    if isinstance(names, dict):
        numbers = {str(number): number for number in range(len(names))}
        if set(names) != set(numbers):
            keys = ", ".join(map(str, list(names)[:10]))
            raise UserError(f"{path}: names: found the keys {keys}; expected 0 to {len(names) - 1}, each once")
        names = [names[key] for key in numbers]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise UserError(f"{path}: names: expected a list of class names, or a mapping from 0, 1, … to them")
    if (count := content.get("nc")) not in (None, "", str(len(names))):
        raise UserError(f"{path}: nc: found {count}, but names has {len(names)} classes; correct one of them")
    return checked_names(path, names)


def _entries(path: Path, key: str, value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [value] * bool(value)
    if not all(isinstance(entry, str) and entry and not UNFIT.search(entry) for entry in entries):
        raise UserError(f"{path}: {key}: expected a folder, a list file or a glob, or a list of these")
    return [entry.replace("\\", "/") for entry in entries]


def _folders(path: Path, value: Any) -> list[Path]:
    """The folders that entries may be relative to: that of `path:` if there is one, and the file's own."""
    if value is not None and (not isinstance(value, str) or UNFIT.search(value)):
        raise UserError(f"{path}: path: expected the data set's folder")
    own = path.parent
    given = [own / Path(value).expanduser(), Path(value).expanduser()] if value else []
    there = [folder for folder in dict.fromkeys(given) if folder.is_dir()]
    if value and not there:
        logger.info("%s: path: %s is not on this machine; the file's own folder is taken", path, value)
    return [*there[:1], own]


def _refuse(error: OSError) -> None:
    raise error  # else os.walk would pass over the folder


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not os.path.basename(name).startswith(".")
