"""Writes a copy of a data set without the faults that have only one remedy: COCO files, and links to the images."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.data_check.boxes import is_xyxy
from ppdet.data_check.split import SMALLEST_SIDE, Split, plain_name
from ppdet.utils.new_folder import new_folder


def write_fixed(folder: Path, splits: Sequence[Split]) -> Counter[str]:
    """Writes <split>.json and <split>/ for each split; returns the numbers of changes by kind.

    Images that cannot be read are left out, and so are copies: within a split, and in an earlier split of what is in a
    later one. All splits get the same list of classes. The folder appears whole or not at all.
    """
    names = list(dict.fromkeys(_class_name(c.name) for split in splits for c in split.categories))
    changes: Counter[str] = Counter()
    taken: set[bytes] = set()
    with new_folder(folder, "--fix") as temp:
        for split in reversed(splits):
            name = plain_name(split.name)
            kept = _kept_images(split, taken)
            files = _link(split, sorted(set(kept.values())), temp / name)
            changes["images removed"] += len(split.images) - len(kept)
            content = {
                "images": [_image(split, index, files[index]) for index in sorted(files)],
                "annotations": _annotations(split, kept, names, changes),
                "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
            }
            (temp / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return changes


def _kept_images(split: Split, taken: set[bytes]) -> dict[int, int]:
    """The position of the image that takes the boxes of each one that is kept. Adds the kept ones to `taken`."""
    kept: dict[int, int] = {}
    by_file: dict[str, int] = {}
    digests: set[bytes] = set()
    for index, (image, pixels) in enumerate(zip(split.images, split.pixels, strict=True)):
        file = os.path.realpath(image.file)
        if file in by_file:
            kept[index] = by_file[file]
        elif pixels and not pixels.problem and pixels.digest not in taken | digests:
            kept[index] = by_file[file] = index
            digests.add(pixels.digest)
    taken |= digests
    return kept


def _link(split: Split, indices: Sequence[int], folder: Path) -> dict[int, str]:
    """Links the image files into one folder; returns their names there."""
    folder.mkdir()
    files: dict[int, str] = {}
    for index in indices:
        name = os.path.basename(split.images[index].file)
        while (folder / name).is_symlink():
            name = f"{index}_{name}"
        (folder / name).symlink_to(os.path.realpath(split.images[index].file))
        files[index] = name
    return files


def _image(split: Split, index: int, name: str) -> dict[str, Any]:
    """The annotated size stays, even if it is wrong: the boxes may belong to it, which no rule can tell."""
    height, width = split.images[index].size or split.image_sizes[index].tolist()
    return {"id": index + 1, "file_name": name, "width": int(width), "height": int(height)}


def _annotations(
    split: Split, kept: dict[int, int], names: Sequence[str], changes: Counter[str]
) -> list[dict[str, Any]]:
    boxes, corners = split.boxes, fixed_corners(split)
    usable = np.isfinite(corners).all(1) & (corners[:, 2:] - corners[:, :2] > SMALLEST_SIDE).all(1)
    annotations: list[dict[str, Any]] = []
    seen: set[tuple[Any, ...]] = set()
    for number in np.flatnonzero(usable).tolist():
        image, crowd = kept.get(int(boxes.image[number])), bool(boxes.crowd[number])
        kind = names.index(_class_name(split.categories[boxes.class_index[number]].name)) + 1
        x1, y1, x2, y2 = (round(value, 3) for value in corners[number].tolist())
        if image is None or (key := (image, kind, crowd, x1, y1, x2, y2)) in seen:
            continue
        seen.add(key)
        same, area = np.array_equal(corners[number], boxes.corners[number]), float(boxes.area[number])
        changes["boxes changed"] += not same
        shape = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": area if same and area > 0 else (x2 - x1) * (y2 - y1)}
        ids = {"id": len(annotations) + 1, "image_id": image + 1, "category_id": kind}
        annotations.append(ids | shape | {"iscrowd": int(crowd), "difficult": int(boxes.difficult[number])})
    changes["boxes removed"] += len(boxes) - len(annotations)
    return annotations


def fixed_corners(split: Split) -> np.ndarray:
    """[N, 4] xyxy: written as corners are meant, in order, cut at the border of the image."""
    corners = split.boxes.corners.copy()
    if is_xyxy(split):
        corners[:, 2:] -= corners[:, :2]
    height, width = split.image_sizes[split.boxes.image].T
    first, second = np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])
    limits = np.column_stack([width, height, width, height])
    fixed = np.minimum(np.maximum(np.concatenate([first, second], 1), 0), limits)
    inside = np.abs(fixed - corners) < 1  # rounding, which is left as it is
    return np.asarray(np.where(inside.all(1, keepdims=True), corners, fixed))


def _class_name(name: str) -> str:
    return name.strip() or name
