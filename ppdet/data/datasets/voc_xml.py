"""Reader of Pascal VOC's XML annotations, which checks all that the files contain."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.label_list import class_name
from ppdet.data.datasets.xml_file import read_xml
from ppdet.utils.json_file import finite_number

_MOST_BYTES = 2**25
_LONGEST_SIDE = 10**6  # pixels; a larger size is a mistake
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)  # float() also takes 1_0 and inf


@dataclass(frozen=True)
class Annotation:
    """The content of one XML file.

    Attributes:
        size: (height, width) in pixels; None if the file gives no possible size.
        objects: (class name, xyxy box, 1 if difficult) each. Sides that are not numbers are NaN; BoxFilter drops them.
    """

    size: tuple[int, int] | None
    objects: Sequence[tuple[str, list[float], int]]


def read_annotation(path: Path) -> Annotation:
    """Parses one file. Raises UserError, which names the file, if it is not a VOC annotation."""
    root = read_xml(path, _MOST_BYTES, "the annotation of one image", "correct the file or remove its image")
    if root.tag != "annotation":
        raise UserError(f"{path}: is <{root.tag[:30]}>, expected <annotation>; correct the file or remove its image")
    objects = []
    for item in root.iter("object"):
        name = class_name(path, item.findtext("name"))
        difficult = int((item.findtext("difficult") or "0").strip() == "1")
        # Some tools write several boxes into one object. An object without a box counts as a bad box.
        for box in item.findall("bndbox") or [item]:
            sides = [_number(box.findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax")]
            objects.append((name, sides, difficult))
    return Annotation(_size(root), objects)


def _size(root: ET.Element) -> tuple[int, int] | None:
    height, width = (_number(root.findtext(f"size/{side}")) for side in ("height", "width"))
    possible = 1 <= height <= _LONGEST_SIDE and 1 <= width <= _LONGEST_SIDE  # many tools leave it out or write 0
    return (int(height), int(width)) if possible else None


def _number(text: str | None) -> float:
    text = (text or "").strip()
    number = finite_number(float(text)) if _NUMBER.fullmatch(text) else None
    return math.nan if number is None else number
