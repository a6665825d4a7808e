"""Small Pascal VOC annotations, and a dataset of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ppdet.data.datasets import VOCDataSet

BOX = (10, 20, 30, 40)


def annotation(name: str = "cat", box: tuple[Any, ...] = BOX, difficult: int = 0, size: str = "") -> str:
    """The XML of an image of 200 x 100 with one object."""
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<annotation>{size or '<size><width>200</width><height>100</height></size>'}"
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object></annotation>"
    )


def plain(root: Path, **xml: str) -> VOCDataSet:
    """A dataset in VOC's own layout: stems in a list, images and annotations in their folders."""
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir()
    for stem, content in xml.items():
        (root / "Annotations" / f"{stem}.xml").write_text(content, encoding="utf-8")
        (root / "JPEGImages" / f"{stem}.png").touch()
    (root / "train.txt").write_text("\n".join(xml) + "\n")
    return VOCDataSet(str(root), anno_path="train.txt")
