"""Folders of images and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.data_faults import BOXES, HEIGHT, WIDTH, picture
from tests.support.image_specimens import encoded
from tests.support.yolo_files import label

MakeYolo = Callable[..., Path]


@pytest.fixture
def make_yolo(tmp_path: Path) -> MakeYolo:
    """Writes a YOLO folder without a split: images/, labels/ and classes.txt. Each image has a box of each class."""

    def make(count: int = 40, names: Sequence[str] = ("red", "green", "blue"), name: str = "cells") -> Path:
        root = tmp_path / name
        for folder in ("images", "labels"):
            (root / folder).mkdir(parents=True)
        (root / "classes.txt").write_text("".join(f"{each}\n" for each in names), encoding="utf-8")
        for number in range(count):
            (root / "images" / f"{number}.png").write_bytes(encoded(".png", picture(number)))
            corners = [(x, y, x + w, y + h) for x, y, w, h in BOXES]
            rows = [label(corners[index % 3], index, WIDTH, HEIGHT) for index in range(len(names))]
            (root / "labels" / f"{number}.txt").write_text("\n".join(rows) + "\n")
        return root

    return make
