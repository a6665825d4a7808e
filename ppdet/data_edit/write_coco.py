"""Writes parts as COCO files, which name the images where they are."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.data.datasets.file_names import without_dots
from ppdet.data.ops.decode import image_size
from ppdet.data_edit.parts import Entry, Object, Part, Picture
from ppdet.utils.ids import FileId, is_id
from ppdet.utils.json_file import UNFIT


def write_coco(temp: Path, folder: Path, parts: Sequence[Part]) -> Counter[str]:
    """Writes <part>.json for each part into `temp`, which becomes `folder`; returns the numbers of losses by kind.

    Nothing is lost of a COCO file. Ids stay, unless two are equal; then all of their kind are numbered from 1.
    """
    losses: Counter[str] = Counter()
    for part in parts:
        content = dict(part.others) | _sections(part, os.path.realpath(folder))
        (temp / f"{part.name}.json").write_text(json.dumps(content), encoding="utf-8")
        found = [each for picture in part.pictures for each in picture.objects]
        losses["objects without a box are not in the lists"] += part.without_box
        losses["marks of difficult objects are kept as a field that training does not read"] += sum(
            each.difficult for each in found
        )
    return losses


def _sections(part: Part, folder: str) -> dict[str, Any]:
    category_ids, image_ids = _ids(part.categories), _ids(picture.entry for picture in part.pictures)
    placed = [(id_, each) for id_, picture in zip(image_ids, part.pictures, strict=True) for each in picture.objects]
    ids = _ids(each.entry for _, each in placed)
    return {
        "images": [_image(picture, id_, folder) for id_, picture in zip(image_ids, part.pictures, strict=True)],
        "annotations": [
            _annotation(each, {"id": id_, "image_id": image_id, "category_id": category_ids[each.class_index]})
            for id_, (image_id, each) in zip(ids, placed, strict=True)
        ],
        "categories": [dict(entry) | {"id": id_} for id_, entry in zip(category_ids, part.categories, strict=True)],
    }


def _ids(entries: Iterable[Entry]) -> list[FileId]:
    """The ids of the entries if each has one of its own, else numbers from 1."""
    ids = [entry.get("id") for entry in entries]
    usable = [id_ for id_ in ids if is_id(id_)]
    return usable if len({str(id_) for id_ in usable}) == len(ids) else list(range(1, len(ids) + 1))


def _image(picture: Picture, image_id: FileId, folder: str) -> dict[str, Any]:
    size = picture.size or image_size(Path(picture.file))
    sides = {"width": size[1], "height": size[0]} if size else {}
    return dict(picture.entry) | {"id": image_id, "file_name": _path_from(folder, picture.file)} | sides


def _annotation(each: Object, ids: dict[str, Any]) -> dict[str, Any]:
    return ids | {key: value for key, value in each.entry.items() if key not in ids}


def _path_from(folder: str, file: str) -> str:
    """The path of a file relative to a folder, which a list beside the images keeps when both are moved."""
    path = os.path.abspath(without_dots(file))
    if UNFIT.search(path):
        raise UserError(f"{path}: has a name that no list can hold; rename it")
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # on another drive
        return path.replace(os.sep, "/")
