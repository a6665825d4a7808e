"""Reads an XML file that may be anything: bounded in size, in the encoding it declares, without entities."""

from __future__ import annotations

import codecs
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from ppdet.core.errors import UserError

_DECLARED = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"']*)[\"']")
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_xml(path: Path, most_bytes: int, expected: str, remedy: str = "correct the file") -> ET.Element:
    """Returns the root element. Raises UserError, which names the file.

    Args:
        path: the file.
        most_bytes: the size above which it is refused.
        expected: what the file should be, for the message about its size.
        remedy: what to do if it is not XML.
    """
    try:
        if path.stat().st_size > most_bytes:
            raise UserError(f"{path}: is larger than {most_bytes >> 20} MB; expected {expected}")
        text = _decoded(path, path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the list of images") from None
    if "<!ENTITY" in text:  # a few of them can expand to gigabytes, or name other files
        raise UserError(f"{path}: defines XML entities, which annotations do without; write their text out")
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise UserError(f"{path}: not valid XML ({error}); {remedy}") from None


def _decoded(path: Path, data: bytes) -> str:
    declared = _DECLARED.match(data[:200])
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    encoding = encoding or (declared[1].decode("ascii", "replace") if declared else "utf-8")
    try:
        return data.decode(encoding)
    except (LookupError, ValueError):  # no such encoding, or bytes that it does not have
        raise UserError(f"{path}: not text in {encoding!r}, as it should be; save it as UTF-8") from None
