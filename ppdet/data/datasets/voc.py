"""Datasets annotated in Pascal VOC's XML format."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import AnnotatedDataset, Category, read_lines, read_names, require_file
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.voc_xml import Annotation, read_annotation
from ppdet.data.structures import Record

logger = logging.getLogger(__name__)

_QUICKLY_READ = 5000  # XML files, which take a second
_LONGEST_LINE = 10_000  # characters; two paths have at most 8192
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_ALL_SUFFIXES = (*_SUFFIXES, *(suffix.upper() for suffix in _SUFFIXES), *(f".{s[1:].capitalize()}" for s in _SUFFIXES))
_TWO_PATHS = re.compile(r"(.+?\.(?:jpe?g|png|bmp|webp|tiff?)|\S+)\s+(.+\.xml)", re.IGNORECASE)
_EXTENSION = re.compile(r"\.(?:jpe?g|png|bmp|webp|tiff?|xml)$", re.IGNORECASE)
_FLAG = re.compile(r"(.+?)\s+(?:-1|0|1)")  # of VOC's lists per class, after the name
_XML_FOLDERS = ("Annotations", "Annotation", "xml", "xmls")
_IMAGE_FOLDERS = ("JPEGImages", "images", "image", "img", "imgs")


@register
@dataclass(eq=False)
class VOCDataSet(AnnotatedDataset):
    """Images listed in `dataset_dir`/`anno_path`, one per line, each with an XML file.

    A line is either of:
        `image.jpg annotation.xml`: two paths relative to `dataset_dir`/`image_dir` (upstream's layout).
        `name`: `dataset_dir`/JPEGImages/name.jpg and Annotations/name.xml (plain VOC). The name may include its
            extension. If image_dir is set, it is used instead of JPEGImages.

    `label_list` names a file in dataset_dir with one class per line. Without it the classes are the sorted names in the
    Annotations folder.

    Attributes:
        label_list: the file of class names, one per line, in dataset_dir.
    """

    annotations = "the list of images"
    remedy = "check dataset_dir, image_dir and anno_path; expected: a list of images, and JPEGImages and Annotations"

    label_list: str | None = None

    def peek_categories(self) -> list[Category]:
        if self.anno_file is None or not self.anno_file.is_file():
            return []
        folders = sorted({xml.parent for _, xml in self._read_list(self.anno_file)})
        if self._label_file is None and sum(len(_xml_files(folder)) for folder in folders) > _QUICKLY_READ:
            return []
        return [Category(index, name) for index, name in enumerate(self._read_labels(folders))]

    @property
    def class_file(self) -> Path | None:
        return self._label_file or self.anno_file

    @property
    def _label_file(self) -> Path | None:
        path = self.root / (self.label_list or "label_list.txt")
        return path if self.label_list or path.is_file() else None

    def _read(self, anno_file: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        pairs = self._read_list(anno_file)
        labels = self._read_labels(sorted({xml.parent for _, xml in pairs}))
        class_index = {name: index for index, name in enumerate(labels)}
        records = []
        for number, (image, xml) in enumerate(pairs):
            found = _read(xml)
            objects = [(self._index(name, class_index, xml), box, difficult) for name, box, difficult in found.objects]
            records.append(box_filter.record(image, number, found.size, objects))
        return [Category(index, name) for index, name in enumerate(labels)], records

    def _read_list(self, anno_file: Path) -> list[tuple[Path, Path]]:
        """(image, XML) of each line of the list."""
        lines = read_lines(anno_file)
        if any(line[0] == "{" or len(line) > _LONGEST_LINE for line in lines[:1]):
            raise UserError(f"{anno_file}: is no list of images, one a line; a COCO file (JSON) needs !COCODataSet")
        files, folder = FileNames(), self.root / self.image_dir
        images = folder if self.image_dir else _folder(self.root, _IMAGE_FOLDERS)
        annotations = _folder(self.root, _XML_FOLDERS, beside=images)
        pairs = []
        for line in lines:
            if two := _TWO_PATHS.fullmatch(line):
                pairs.append((Path(files.find(folder, two[1])), Path(files.find(folder, two[2]))))
                continue
            if not annotations.is_dir():
                raise UserError(
                    f"{annotations}: there is no such folder (the XML files); rename yours, or write two paths into "
                    f"each line of {anno_file}: the image's and its XML file's"
                )
            name, xml = _find_xml(files, annotations, line)
            pairs.append((_find_image(files, images, line, name), xml))
        if not pairs:
            raise UserError(f"{anno_file}: lists no image; expected one per line")
        twice = [image for image, count in Counter(image for image, _ in pairs).items() if count > 1]
        if twice:
            message = "%s: lists %d images more than once (e.g. %s), which count as often; remove the repeated lines"
            logger.warning(message, anno_file, len(twice), twice[0])
        return pairs

    def _read_labels(self, folders: Sequence[Path]) -> list[str]:
        """The class names, from the first source that exists: label_list (or label_list.txt), the expected classes, or
        all XML files in `folders`.
        """
        if path := self._label_file:
            require_file(path, "label_list, the class names", "correct or drop label_list")
            return read_names(path)
        if self.expected_classes:
            return list(self.expected_classes)
        files = [file for folder in folders for file in _xml_files(folder)]
        names = sorted({name for file in files for name, _, _ in _read(file).objects})
        logger.info("%s: %d classes found: %s", folders[0], len(names), ", ".join(names))
        return names

    def _index(self, name: str, class_index: Mapping[str, int], path: Path) -> int:
        if name in class_index:
            return class_index[name]
        where = "in the label list" if self._label_file else "among the classes of the training"
        known = ", ".join(list(class_index)[:10])
        raise UserError(f"{path}: class {name!r} is not {where} ({known}); add it there or correct the annotation")


def _xml_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.[xX][mM][lL]"))  # macOS creates ._a.xml next to a.xml


def _folder(root: Path, names: Sequence[str], beside: Path | None = None) -> Path:
    """The first of `names` that is a folder in `root`, in any case of letters; else `beside` if it has XML files."""
    there = {path.name.casefold(): path for path in root.iterdir()} if root.is_dir() else {}
    for name in names:
        if (path := there.get(name.casefold())) and path.is_dir():
            return path
    return beside if beside and _xml_files(beside) else root / names[0]


def _find_xml(files: FileNames, folder: Path, line: str) -> tuple[str, Path]:
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


def _find_image(files: FileNames, folder: Path, line: str, name: str) -> Path:
    names = [*([line] if _EXTENSION.search(line) else []), *(f"{name}{suffix}" for suffix in _ALL_SUFFIXES)]
    found = (path for each in names if files.has(path := files.find(folder, each)))
    return Path(next(found, folder / names[0]))  # the reader reports missing images


def _read(path: Path) -> Annotation:
    require_file(path, "an annotation", VOCDataSet.remedy)
    return read_annotation(path)
