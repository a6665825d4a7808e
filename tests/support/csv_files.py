"""Writes plain tables of boxes, and those of Open Images in its layout."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.support.datasets import CLASSES, Scene, write_image

OPEN_IMAGES_HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)


def write_csv(root: Path, scenes: Iterable[Scene], split: str = "train") -> None:
    """<split>/1.png, 2.png, … and <split>.csv, without a header; an image without boxes has a row of its path."""
    (root / split).mkdir(parents=True)
    rows = []
    for number, (image, objects) in enumerate(scenes, start=1):
        write_image(root / split / f"{number}.png", image)
        rows += [f"{number}.png,{','.join(map(str, box))},{CLASSES[index]}" for box, index in objects]
        rows += [f"{number}.png,,,,,"] * (not objects)
    (root / f"{split}.csv").write_text("\n".join(rows) + "\n")


def write_open_images(root: Path, scenes: Iterable[Scene], split: str = "train") -> None:
    """<split>/1.png, …, <split>-annotations-bbox.csv and class-descriptions-boxable.csv."""
    (root / split).mkdir(parents=True)
    rows = [OPEN_IMAGES_HEADER]
    for number, (image, objects) in enumerate(scenes, start=1):
        write_image(root / split / f"{number}.png", image)
        height, width = image.shape[:2]
        for (x1, y1, x2, y2), index in objects:
            sides = f"{x1 / width:.6f},{x2 / width:.6f},{y1 / height:.6f},{y2 / height:.6f}"
            rows.append(f"{number},xclick,/m/0{index},1,{sides},0,0,0,0,0")
    (root / f"{split}-annotations-bbox.csv").write_text("\n".join(rows) + "\n")
    names = "\n".join(f"/m/0{index},{name}" for index, name in enumerate(CLASSES))
    (root / "class-descriptions-boxable.csv").write_text(f"{names}\n/m/09,unused\n")
