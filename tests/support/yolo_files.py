"""Writes YOLO data sets in the layout that Ultralytics documents: data.yaml, images/<split>, labels/<split>."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.support.datasets import CLASSES, Scene, write_image


def label(box: tuple[float, float, float, float], class_index: int, width: int, height: int) -> str:
    """One line: class, center and size in fractions of the image, with the six decimals that tools write."""
    x1, y1, x2, y2 = box
    values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return " ".join([str(class_index), *(f"{value:.6f}" for value in values)])


def write_yolo(root: Path, scenes: Iterable[Scene], split: str = "train", yaml: str | None = None) -> None:
    """Writes images 1.png, 2.png, … of a split with their labels; an image without boxes has no label file."""
    for folder in ("images", "labels"):
        (root / folder / split).mkdir(parents=True)
    for number, (image, objects) in enumerate(scenes, start=1):
        write_image(root / "images" / split / f"{number}.png", image)
        height, width = image.shape[:2]
        lines = [label(box, index, width, height) for box, index in objects]
        if lines:
            (root / "labels" / split / f"{number}.txt").write_text("\n".join(lines) + "\n")
    names = "".join(f"  {index}: {name}\n" for index, name in enumerate(CLASSES))
    (root / "data.yaml").write_text(yaml or f"path: .\ntrain: images/train\nval: images/val\nnames:\n{names}")
