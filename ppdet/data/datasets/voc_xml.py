"""Reader of Pascal VOC's XML annotations, which checks all that the files contain."""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.utils.json_file import finite_number

_MOST_BYTES = 2**25
_LONGEST_SIDE = 10**6  # pixels; a larger size is a mistake
_DECLARED = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"']*)[\"']")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)  # float() also takes 1_0 and inf
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


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
    root = _parse(path)
    if root.tag != "annotation":
        raise UserError(f"{path}: is <{root.tag[:30]}>, expected <annotation>; correct the file or remove its image")
    objects = []
    for item in root.iter("object"):
        name = _name(path, item)
        difficult = int((item.findtext("difficult") or "0").strip() == "1")
        # Some tools write several boxes into one object. An object without a box counts as a bad box.
        for box in item.findall("bndbox") or [item]:
            sides = [_number(box.findtext(side)) for side in ("xmin", "ymin", "xmax", "ymax")]
            objects.append((name, sides, difficult))
    return Annotation(_size(root), objects)


def _parse(path: Path) -> ET.Element:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: is larger than {_MOST_BYTES >> 20} MB; expected the annotation of one image")
        text = _decoded(path, path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the list of images") from None
    if "<!ENTITY" in text:  # a few of them can expand to gigabytes
        raise UserError(f"{path}: defines XML entities, which annotations do without; write their text out")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise UserError(f"{path}: not valid XML ({error}); correct the file or remove its image") from None


def _decoded(path: Path, data: bytes) -> str:
    declared = _DECLARED.match(data[:200])
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    encoding = encoding or (declared[1].decode("ascii", "replace") if declared else "utf-8")
    try:
        return data.decode(encoding)
    except (LookupError, ValueError):  # no such encoding, or bytes that it does not have
        raise UserError(f"{path}: not text in {encoding!r}, as it should be; save it as UTF-8") from None


def _name(path: Path, item: ET.Element) -> str:
    text = unicodedata.normalize("NFC", item.findtext("name") or "")  # as in label lists
    name = re.sub(r"\s*[\n\r\t]\s*", " ", text.strip())  # a name on several lines
    if not name:
        raise UserError(f"{path}: an object has no name; correct the file or remove its image")
    if _CONTROL.search(name):
        raise UserError(f"{path}: the class name {name!r} holds control characters; correct it")
    return name


def _size(root: ET.Element) -> tuple[int, int] | None:
    height, width = (_number(root.findtext(f"size/{side}")) for side in ("height", "width"))
    possible = 1 <= height <= _LONGEST_SIDE and 1 <= width <= _LONGEST_SIDE  # many tools leave it out or write 0
    return (int(height), int(width)) if possible else None


def _number(text: str | None) -> float:
    text = (text or "").strip()
    number = finite_number(float(text)) if _NUMBER.fullmatch(text) else None
    return math.nan if number is None else number
