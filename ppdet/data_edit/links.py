"""Links to images, under names that every format can hold."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data_edit.parts import Picture
from ppdet.utils.json_file import UNFIT

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_INNER = re.compile(r"\.(?=(jpe?g|png|bmp|webp|tiff?|xml)$)", re.IGNORECASE)  # a.png.jpg: lists may mean a.png


def link_image(picture: Picture, folder: Path, taken: set[str]) -> Path:
    """Links an image into a folder.

    Args:
        picture: the image.
        folder: the folder, which is there.
        taken: the names without extension in small letters that are in use; the new one is added.

    Returns:
        The link. Its name is the file's own where it can be.

    Raises:
        UserError: the image is of a kind that the formats with one file for each image do not have.
    """
    stem, suffix = os.path.splitext(os.path.basename(picture.file))
    if suffix.lower() not in _SUFFIXES:
        raise UserError(
            f"{picture.file}: has the extension {suffix!r}; expected {', '.join(_SUFFIXES)}; save it as PNG, or "
            "convert to coco, which takes any"
        )
    stem = _INNER.sub("_", UNFIT.sub("_", stem).strip().lstrip(".{ ")) or "image"
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name.casefold())
    link = folder / f"{name}{suffix.lower()}"
    link.symlink_to(picture.real_file)
    return link
