"""Writes parts in a format, as a new folder."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets.file_names import missing_files
from ppdet.data_edit.align import require_names, same_classes
from ppdet.data_edit.parts import Part
from ppdet.data_edit.write_coco import write_coco
from ppdet.data_edit.write_voc import write_voc
from ppdet.data_edit.write_yolo import write_yolo
from ppdet.utils.new_folder import new_folder


def write(folder: Path, parts: Sequence[Part], to: str = "coco") -> list[str]:
    """Writes the new folder, whole or not at all; returns remarks on what the format cannot hold."""
    for part in parts:
        if not part.pictures:
            raise UserError(f"{part.name}: no image is left; choose other classes or splits")
    parts, missing = same_classes(parts), _missing(parts)
    with new_folder(folder, "--output") as temp:
        losses = write_coco(temp, folder, parts) if to == "coco" else _write_files(temp, parts, to)
    return [*missing, *(f"{count} {what}" for what, count in losses.items() if count)]


def _missing(parts: Sequence[Part]) -> list[str]:
    """A remark if images are missing."""
    files = [picture.file for part in parts for picture in part.pictures]
    if positions := missing_files(files):
        found = f"{len(positions)} images are missing (e.g. {files[positions[0]]})"
        return [f"{found}: training refuses the new lists; correct the paths in the old ones, or remove the images"]
    return []


def _write_files(temp: Path, parts: Sequence[Part], to: str) -> Counter[str]:
    """Writes a format with one file for each image."""
    plain = [_with_plain_names(part) for part in parts]
    require_names(plain[0])
    return write_yolo(temp, plain) if to == "yolo" else write_voc(temp, plain)


def _with_plain_names(part: Part) -> Part:
    """The part with class names as readers of text files see them: without space around, with composed accents."""
    names = [unicodedata.normalize("NFC", name).strip() for name in part.classes]
    if not all(names):
        raise UserError(f"{part.name}: has a class without a name; name it, or convert to coco")
    return replace(part, categories=[dict(c) | {"name": name} for c, name in zip(part.categories, names, strict=True)])
