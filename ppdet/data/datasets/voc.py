"""Datasets annotated in Pascal VOC's XML format."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import Category, Part, read_lines, require_file
from ppdet.data.datasets.box_filter import EVERY_ENTRY, BoxFilter, Object
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.label_list import LabelListDataset
from ppdet.data.datasets.voc_layout import (
    IMAGE_FOLDERS,
    TWO_PATHS,
    XML_FOLDERS,
    find_image,
    find_xml,
    folder_of,
    splits,
    xml_files,
)
from ppdet.data.datasets.voc_xml import Annotation, read_annotation
from ppdet.data.ops.decode import image_size
from ppdet.data.structures import Record

logger = logging.getLogger(__name__)

_QUICKLY_READ = 5000  # XML files, which take a second
_LONGEST_LINE = 10_000  # characters; two paths have at most 8192
_Pair = tuple[Path, Path | None]  # image, XML file


@register
@dataclass(eq=False)
class VOCDataSet(LabelListDataset):
    """Images listed in `dataset_dir`/`anno_path`, one per line, each with an XML file.

    A line is either of:
        `image.jpg annotation.xml`: two paths relative to `dataset_dir`/`image_dir` (upstream's layout).
        `name`: `dataset_dir`/JPEGImages/name.jpg and Annotations/name.xml (plain VOC). The name may include its
            extension. If image_dir is set, it is used instead of JPEGImages.

    anno_path may also be the folder of XML files, for all images that have one. Other usual names of the folders are
    found too, and XML files beside the images.

    An image that is listed by its name and has no XML file has no objects.

    `label_list` names a file in dataset_dir with one class per line. Without it the classes are the sorted names in the
    Annotations folder.

    Attributes:
        first_pixel: 1 if the files number pixels from 1, as VOC's own and those of supervision do: 1 is subtracted
            from xmin and ymin (xmax and ymax name the last pixel). Most tools, and PaddleDetection, number from 0.
    """

    annotations = "the list of images"
    remedy = "check dataset_dir, image_dir and anno_path; expected: a list of images, and JPEGImages and Annotations"
    signs = "XML files with <annotation> (Pascal VOC)"

    first_pixel: Literal[0, 1] = 0

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        return splits(root)

    def peek_categories(self) -> list[Category]:
        if self.anno_file is None or not self.anno_file.exists():
            return []
        folders = _folders(self._read_list(self.anno_file))
        if self._label_file is None and sum(len(xml_files(folder)) for folder in folders) > _QUICKLY_READ:
            return []
        return [Category(index, name) for index, name in enumerate(self._read_labels(folders))]

    def _source(self) -> Path:
        folder = self.anno_file
        return folder if folder and folder.is_dir() else super()._source()

    def _read(self, source: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        pairs = self._read_list(source)
        labels = self._read_labels(_folders(pairs), box_filter.entry)
        class_index = {name: index for index, name in enumerate(labels)}
        records = []
        for number, (image, xml) in enumerate(pairs):
            found, objects = None, list[Object]()
            if xml is None:
                box_filter.unlabeled.append(str(image))
            with box_filter.entry:
                found = _read(xml) if xml else None
            found = found or Annotation(image_size(image), [])
            for name, (x1, y1, x2, y2), difficult in found.objects:
                box = [x1 - self.first_pixel, y1 - self.first_pixel, x2, y2]
                with box_filter.entry:
                    objects.append((self._index(name, class_index, xml), box, difficult))
            records.append(box_filter.record(image, number, found.size, objects))
        return [Category(index, name) for index, name in enumerate(labels)], records

    def _read_list(self, anno_file: Path) -> list[_Pair]:
        """The pair of each line of the list, or of each XML file if it is a folder."""
        if anno_file.is_dir():
            return self._read_folder(anno_file)
        lines = read_lines(anno_file)
        if any(line[0] == "{" or len(line) > _LONGEST_LINE for line in lines[:1]):
            raise UserError(f"{anno_file}: is no list of images, one a line; a COCO file (JSON) needs !COCODataSet")
        files, folder = FileNames(), self.root / self.image_dir
        images = folder if self.image_dir else folder_of(self.root, IMAGE_FOLDERS, beside=self.root)
        annotations = folder_of(self.root, XML_FOLDERS, beside=images)
        pairs = list[_Pair]()
        for line in lines:
            if two := TWO_PATHS.fullmatch(line):
                pairs.append((Path(files.find(folder, two[1])), Path(files.find(folder, two[2]))))
                continue
            if not annotations.is_dir():
                raise UserError(
                    f"{annotations}: there is no such folder (the XML files); rename yours, or write two paths into "
                    f"each line of {anno_file}: the image's and its XML file's"
                )
            name, xml = find_xml(files, annotations, line)
            image = find_image(files, images, line, name)
            pairs.append((image, None if image.is_file() and not xml.is_file() else xml))
        if not pairs:
            raise UserError(f"{anno_file}: lists no image; expected one per line")
        if not any(xml for _, xml in pairs):
            raise UserError(f"{anno_file}: no image has an XML file in {annotations}; {self.remedy}")
        twice = [image for image, count in Counter(image for image, _ in pairs).items() if count > 1]
        if twice:
            message = "%s: lists %d images more than once (e.g. %s), which count as often; remove the repeated lines"
            logger.warning(message, anno_file, len(twice), twice[0])
        return pairs

    def _read_folder(self, folder: Path) -> list[_Pair]:
        files, found = FileNames(), xml_files(folder)
        if not found:
            raise UserError(f"{folder}: holds no XML files; {self.remedy}")
        images = self.root / self.image_dir
        if not self.image_dir:
            beside = find_image(files, folder, found[0].stem, found[0].stem)
            images = folder if beside.is_file() else folder_of(self.root, IMAGE_FOLDERS)
        return [(find_image(files, images, xml.stem, xml.stem), xml) for xml in found]

    def _read_labels(self, folders: Sequence[Path], entry: AbstractContextManager[object] = EVERY_ENTRY) -> list[str]:
        """The class names; without a list of them those of all XML files in `folders`."""

        def find() -> list[str]:
            names = set[str]()
            for file in (file for folder in folders for file in xml_files(folder)):
                with entry:
                    names |= {name for name, _, _ in _read(file).objects}
            return sorted(names)

        return self._names(folders[0], [], find)


def _folders(pairs: Sequence[_Pair]) -> list[Path]:
    return sorted({xml.parent for _, xml in pairs if xml})


def _read(path: Path) -> Annotation:
    require_file(path, "an annotation", VOCDataSet.remedy)
    return read_annotation(path)
