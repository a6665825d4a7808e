"""Datasets annotated in the XML of CVAT, version 1.1 for images."""

from __future__ import annotations

import math
import os
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import Part, checked_names
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.label_list import class_name
from ppdet.data.datasets.layout import annotation_files, image_folder, matches
from ppdet.data.datasets.named import NamedDataset, NamedImage, NamedObject
from ppdet.data.datasets.outlines import Box, ellipse, enclosing, rotated
from ppdet.data.datasets.xml_file import read_xml
from ppdet.utils.json_file import finite_number

_MOST_BYTES = 2**30
_SIDES = ("xtl", "ytl", "xbr", "ybr")
_SHAPES = ("box", "polygon", "ellipse", "mask")
_OTHERS = ("polyline", "points", "cuboid", "skeleton")


@register
@dataclass(eq=False)
class CVATDataSet(NamedDataset):
    """Images annotated in `dataset_dir`/`anno_path`, an XML file of CVAT ("CVAT for images 1.1").

    The images are in `dataset_dir`/`image_dir`, in the folder `images`, or beside the XML file. The classes are the
    file's labels, in their order. Turned boxes, polygons, ellipses and masks become the boxes around them. Shapes
    marked as outside are left out; occluded ones are kept.
    """

    annotations = "CVAT's XML file"
    remedy = "check dataset_dir, image_dir and anno_path; expected: the annotations.xml of CVAT for images 1.1"
    signs = "an XML with <annotations> and <image> (CVAT)"

    anno_path: str = "annotations.xml"

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        found = []
        for path in annotation_files(root, ".xml"):
            is_cvat, name = matches(path, rb"<annotations[\s>]", rb'<image\s[^>]*?name="([^"]*)"')
            if is_cvat and name is not None:
                images = image_folder(root, path, [name.decode("utf-8", "replace")])
                options = {"anno_path": os.path.relpath(path, root), "image_dir": images or ""}
                found.append(Part(options["anno_path"], options))
        return found

    def _annotated(self, source: Path, box_filter: BoxFilter) -> tuple[list[NamedImage], list[str]]:
        files, root = FileNames(), _root(source)
        images = []
        for item in root.iter("image"):
            with box_filter.entry:
                images.append(self._image(source, item, box_filter, files))
        return images, _classes(source, root)

    def _image(self, source: Path, item: ET.Element, box_filter: BoxFilter, files: FileNames) -> NamedImage:
        name = item.get("name")
        if not name:
            raise UserError(f"{source}: image {item.get('id')!r} has no name; correct the file")
        place = f"{source}: image {name!r}"
        objects = []
        for shape in item:
            if shape.tag in _OTHERS:
                box_filter.drop(f"that are no outlines but {shape.tag}", name)
            if shape.tag not in _SHAPES or shape.get("outside") == "1":
                continue
            with box_filter.entry:
                objects.append(NamedObject(class_name(place, shape.get("label")), _box(place, shape)))
        height, width = _number(place, item, "height"), _number(place, item, "width")
        possible = height >= 1 and width >= 1
        return NamedImage(self._find(files, name), (int(height), int(width)) if possible else None, objects, place)


def _root(path: Path) -> ET.Element:
    root = read_xml(path, _MOST_BYTES, "annotations of CVAT")
    if root.tag != "annotations":
        raise UserError(f"{path}: is <{root.tag[:30]}>, expected <annotations>; export as CVAT for images 1.1")
    if root.find("track") is not None:
        raise UserError(f"{path}: holds tracks of a video; export as CVAT for images 1.1")
    return root


def _classes(path: Path, root: ET.Element) -> list[str]:
    """The labels of the task, the job or the project."""
    labels = (each for meta in root.iter("meta") for each in meta.iter("label"))
    return checked_names(path, [class_name(path, each.findtext("name")) for each in labels if _is_class(each)])


def _is_class(label: ET.Element) -> bool:
    """Whether a label of the task names objects; parts of skeletons do not."""
    return not (label.findtext("parent") or "").strip()


def _box(place: str, shape: ET.Element) -> Box:
    turn = _number(place, shape, "rotation", "0")
    if shape.tag == "box":
        x1, y1, x2, y2 = (_number(place, shape, side) for side in _SIDES)
        return rotated([x1, y1, x2, y2], turn)
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (_number(place, shape, name) for name in ("cx", "cy", "rx", "ry"))
        return ellipse(cx, cy, rx, ry, turn)
    if shape.tag == "mask":
        left, top, width, height = (_number(place, shape, name) for name in ("left", "top", "width", "height"))
        return [left, top, left + width, top + height]
    points = [pair.split(",") for pair in (shape.get("points") or "").split(";") if pair.strip()]
    if not points or any(len(pair) != 2 for pair in points):
        raise UserError(f"{place}: a polygon has no points x,y;x,y;…; correct it")
    return enclosing([[_float(place, "points", text) for text in pair] for pair in points])


def _number(place: str, item: ET.Element, key: str, default: str = "nan") -> float:
    return _float(place, key, item.get(key, default))


def _float(place: str, key: str, text: str) -> float:
    """The number in an attribute; NaN if it is not finite, which BoxFilter counts."""
    try:
        number = finite_number(float(text))
    except ValueError:
        raise UserError(f"{place}: {key}: found {text[:30]!r}; expected a number; correct it") from None
    return math.nan if number is None else number
