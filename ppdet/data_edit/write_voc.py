"""Writes parts in Pascal VOC's format: an XML file for each image, lists, and links to the images."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ppdet.core.errors import UserError
from ppdet.data.ops.decode import image_size
from ppdet.data_edit.links import link_image
from ppdet.data_edit.parts import Object, Part, Picture

_DECIMALS = 6


def write_voc(temp: Path, parts: Sequence[Part]) -> Counter[str]:
    """Writes JPEGImages, Annotations, ImageSets/Main/<part>.txt and label_list.txt into `temp`; returns the losses."""
    losses: Counter[str] = Counter()
    images, annotations, lists = temp / "JPEGImages", temp / "Annotations", temp / "ImageSets" / "Main"
    for folder in (images, annotations, lists):
        folder.mkdir(parents=True)
    taken: set[str] = set()
    for part in parts:
        losses["objects without a box are left out"] += part.without_box
        stems = []
        for picture in tqdm(part.pictures, part.name, unit="image", disable=None):
            link = link_image(picture, images, taken)
            stems.append(link.stem)
            (annotations / f"{link.stem}.xml").write_bytes(_xml(picture, link.name, part.classes, losses))
        (lists / f"{part.name}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    (temp / "label_list.txt").write_text("".join(f"{name}\n" for name in parts[0].classes), encoding="utf-8")
    return losses


def _xml(picture: Picture, name: str, classes: Sequence[str], losses: Counter[str]) -> bytes:
    """The annotation of one image."""
    size = picture.size or image_size(Path(picture.file))
    if size is None:
        raise UserError(f"{picture.file}: cannot be read; VOC needs its size; run `ppdet data check` and leave it out")
    root = ET.Element("annotation")
    ET.SubElement(root, "filename").text = name
    sides = ET.SubElement(root, "size")
    for key, value in (("width", size[1]), ("height", size[0]), ("depth", 3)):
        ET.SubElement(sides, key).text = str(value)
    for each in picture.objects:
        if each.box is None or each.crowd:
            kind = "regions to ignore (crowds) are left out" if each.crowd else "objects without a box are left out"
            losses[kind] += 1
            continue
        losses["outlines are lost"] += bool(each.entry.get("segmentation"))
        root.append(_object(each, each.box, classes[each.class_index]))
    ET.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode").encode()


def _object(each: Object, box: Sequence[float], name: str) -> ET.Element:
    """One object; corners are the pixels of COCO, without VOC's 1 added."""
    element = ET.Element("object")
    ET.SubElement(element, "name").text = name
    ET.SubElement(element, "difficult").text = str(int(each.difficult))
    x, y, width, height = box
    bounds = ET.SubElement(element, "bndbox")
    for key, value in (("xmin", x), ("ymin", y), ("xmax", x + width), ("ymax", y + height)):
        ET.SubElement(bounds, key).text = f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return element
