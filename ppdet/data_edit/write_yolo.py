"""Writes parts in YOLO's format: data.yaml, label files, and links to the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml
from tqdm import tqdm

from ppdet.core.errors import UserError
from ppdet.data.datasets.yolo_yaml import SPLITS
from ppdet.data.ops.decode import image_size
from ppdet.data_check.split import SMALLEST_SIDE
from ppdet.data_edit.links import link_image
from ppdet.data_edit.parts import Object, Part, Picture

_DECIMALS = 10  # of a fraction: a millionth of a pixel in the largest images


def write_yolo(temp: Path, parts: Sequence[Part]) -> Counter[str]:
    """Writes data.yaml, images/<part>/ and labels/<part>/ into `temp`; returns the numbers of losses by kind."""
    losses: Counter[str] = Counter()
    for part in parts:
        if part.name not in (*SPLITS, "all"):
            raise UserError(f"--split: found {part.name!r}; expected {', '.join(SPLITS)}: YOLO has no other splits")
        place = "" if part.name == "all" else part.name
        images, labels, taken = temp / "images" / place, temp / "labels" / place, set[str]()
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        losses["objects without a box are left out"] += part.without_box
        for picture in tqdm(part.pictures, part.name, unit="image", disable=None):
            stem = link_image(picture, images, taken).stem
            (labels / f"{stem}.txt").write_text(_labels(picture, losses), encoding="utf-8")
    classes = parts[0].classes
    splits = {part.name: f"images/{part.name}" for part in parts if part.name != "all"}
    content = splits | {"nc": len(classes), "names": dict(enumerate(classes))}
    (temp / "data.yaml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return losses


def _labels(picture: Picture, losses: Counter[str]) -> str:
    """The label file of an image."""
    size = _size(picture) if picture.objects else (0, 0)
    lines = [line for each in picture.objects if (line := _line(each, size, losses))]
    return "".join(f"{line}\n" for line in lines)


def _size(picture: Picture) -> tuple[int, int]:
    """(height, width) of the upright image, which fractions refer to."""
    size, path = image_size(Path(picture.file)), Path(picture.file)
    if size is None:
        raise UserError(f"{path}: cannot be read; YOLO needs its size; run `ppdet data check` and leave it out")
    if picture.size and size != picture.size == image_size(path, picture.size):
        raise UserError(f"{path}: is annotated as it is before EXIF turns it, which YOLO cannot say; turn its pixels")
    return size


def _line(each: Object, size: tuple[int, int], losses: Counter[str]) -> str:
    """The class and the box (center, width, height) in fractions of the size; "" for what YOLO cannot hold."""
    if each.box is None or each.crowd:
        losses["regions to ignore (crowds) are left out" if each.crowd else "objects without a box are left out"] += 1
        return ""
    height, width = size
    x, y, w, h = each.box
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if x2 - x1 <= SMALLEST_SIDE or y2 - y1 <= SMALLEST_SIDE:
        losses["boxes without area in the image are left out"] += 1
        return ""
    losses["boxes are cut at the border of the image"] += max(x1 - x, y1 - y, x + w - x2, y + h - y2) > SMALLEST_SIDE
    losses["marks of difficult objects are lost"] += each.difficult
    losses["outlines are lost"] += bool(each.entry.get("segmentation"))
    sides = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return " ".join([str(each.class_index), *(f"{side:.{_DECIMALS}f}".rstrip("0").rstrip(".") for side in sides)])
