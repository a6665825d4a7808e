"""Datasets annotated in LabelMe's JSON: a file for each image."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import Part, require_folder
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.label_list import class_name
from ppdet.data.datasets.layout import contains, files_in, folders
from ppdet.data.datasets.named import NamedDataset, NamedImage, NamedObject
from ppdet.data.datasets.outlines import Box, enclosing
from ppdet.utils.json_file import Entry, entries, finite_number, read_json

_CORNERS = {"rectangle": 2, "mask": 2, "polygon": 3, "rotation": 3}  # shape type -> its fewest points


@register
@dataclass(eq=False)
class LabelMeDataSet(NamedDataset):
    """Images with a JSON file of LabelMe each, in the folder `dataset_dir`/`anno_path`.

    The image is the file that `imagePath` names, relative to the JSON or to `image_dir`. It has to be there: embedded
    pixels (imageData) are not read. Rectangles, polygons, circles and masks become the boxes around them; shapes of one
    group (group_id) and label are one object. Points and lines are left out.
    """

    annotations = "the folder of LabelMe's JSON files"
    remedy = "check dataset_dir and anno_path; expected: a folder of JSON files with shapes and imagePath"
    signs = "JSON files with shapes and imagePath (LabelMe)"

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        places = [folder for folder in folders(root) if (files := files_in(folder, ".json")) and _is_labelme(files[0])]
        return [Part(name, {"anno_path": name}) for place in places for name in [os.path.relpath(place, root)]]

    def _source(self) -> Path:
        folder = self.anno_file or self.root / self.image_dir
        require_folder(folder, self.annotations, self.remedy)
        if not self._files(folder):
            raise UserError(f"{folder}: holds no JSON files; {self.remedy}")
        return folder

    def _files(self, source: Path) -> list[Path]:
        return files_in(source, ".json")

    def _annotated(self, source: Path, box_filter: BoxFilter) -> tuple[list[NamedImage], list[str]]:
        files, images = FileNames(), []
        for path in self._files(source):
            with box_filter.entry:
                images.append(self._image(path, box_filter, files))
        return images, []

    def _image(self, path: Path, box_filter: BoxFilter, files: FileNames) -> NamedImage:
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
            raise UserError(f"{path}: has no list shapes; expected an annotation of LabelMe")
        name = content.get("imagePath")
        if not isinstance(name, str) or not name or "\0" in name:
            raise UserError(f"{path}: imagePath: expected the name of the image")
        image = self._image_file(path, name, files)
        if image is None:
            remedy = "put the image there"
            if content.get("imageData"):
                remedy += ", or write the embedded one out (`labelme_export_json`)"
            raise UserError(f"{path}: imagePath: {name!r} is not there; {remedy}")
        size = (finite_number(content.get("imageHeight")), finite_number(content.get("imageWidth")))
        height, width = (int(side) if side and side >= 1 else 0 for side in size)
        objects = list(_objects(path, content["shapes"], box_filter))
        return NamedImage(image, (height, width) if height and width else None, objects, str(path))

    def _image_file(self, path: Path, name: str, files: FileNames) -> str | None:
        """The image beside the JSON or in image_dir, under its path or its name alone."""
        own = [self.root / self.image_dir] if self.image_dir else [self.root, self.root / "images"]
        names = dict.fromkeys([name, name.replace("\\", "/").rpartition("/")[2]])
        paths = (files.find(folder, each) for each in names for folder in (path.parent, *own))
        return next((found for found in paths if files.has(found)), None)


def _is_labelme(path: Path) -> bool:
    return contains(path, rb'"shapes"\s*:', rb'"imagePath"\s*:')


def _objects(path: Path, shapes: list[Any], box_filter: BoxFilter) -> Iterator[NamedObject]:
    """The objects of a file; shapes of one label and group are joined."""
    groups: dict[tuple[str, object], Box] = {}
    for entry in entries(path, "shapes", shapes):
        with box_filter.entry:
            name = class_name(f"{path}: {entry.place}", entry.text("label").strip())
            group, box = entry.values.get("group_id"), _box(entry, box_filter)
            if box is not None:
                key = (name, repr(group)) if group is not None else (name, entry)
                other = groups.get(key)
                groups[key] = box if other is None else enclosing([box[:2], box[2:], other[:2], other[2:]])
    for (name, _), box in groups.items():
        yield NamedObject(name, box)


def _box(entry: Entry, box_filter: BoxFilter) -> Box | None:
    """The box around a shape; None if it is a point or a line, which the filter counts."""
    kind = entry.values.get("shape_type") or "polygon"
    points = entry.values.get("points")
    if kind not in (*_CORNERS, "circle"):
        box_filter.drop(f"that are no outlines but {kind}", entry.path.name)
        return None
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise entry.wrong("points", "a list of points [x, y]; correct the file")
    numbers = [[math.nan if (n := finite_number(each)) is None else n for each in point] for point in points]
    if len(numbers) < _CORNERS.get(kind, 2):
        box_filter.drop("with too few points", entry.path.name)
        return None
    if kind == "circle":
        (cx, cy), (x, y) = numbers[:2]
        radius = math.hypot(x - cx, y - cy)
        return [cx - radius, cy - radius, cx + radius, cy + radius]
    return enclosing(numbers)
