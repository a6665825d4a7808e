"""Contact sheets of findings."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.data.datasets import Category
from ppdet.data_edit.parts import Object, Picture
from ppdet.suspects.findings import Box, Finding
from ppdet.suspects.sheets import caption, sheets

LABEL = Object(0, [40, 40, 40, 40], False, False, {})
RED, GREEN = (40, 40, 235), (60, 210, 60)


def finding(file: Path, label: Object | None, suggested: Box | None) -> Finding:
    kind = "missing" if label is None else "mislabeled" if suggested else "spurious"
    picture = Picture(str(file), file.name, None, {}, [])
    category = Category(1, "yield") if suggested else None
    return Finding(kind, 0.912, picture, 1, label, Category(2, "stop") if label else None, suggested, category)


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((120, 120, 3), 90, np.uint8))
    return tmp_path / "gray.png"


def test_both_boxes_are_drawn(gray: Path) -> None:
    both, label_only, suggestion_only = (
        finding(gray, LABEL, (50, 50, 90, 90)),
        finding(gray, LABEL, None),
        finding(gray, None, (50, 50, 90, 90)),
    )
    (page,) = sheets([both, label_only, suggestion_only])
    assert page.shape == (240 + 18 + 6 + 6, 3 * 246 + 6, 3)
    cells = [page[6:246, 6 + 246 * number : 246 + 246 * number] for number in range(3)]
    drawn = [tuple(bool((cell == color).all(2).any()) for color in (RED, GREEN)) for cell in cells]
    assert drawn == [(True, True), (True, False), (False, True)]


def test_the_crop_shows_both_boxes(gray: Path) -> None:
    """Boxes from 40 to 90, and 0.4 * 50 = 20 pixels around them: 20 to 110, enlarged to 240 pixels."""
    (page,) = sheets([finding(gray, LABEL, (50, 50, 90, 90))])
    green = np.argwhere((page[6:246, 6:246] == GREEN).all(2))
    assert green.min(0).tolist() == [80, 80]  # (50 - 20) * 240 / 90
    assert green.max(0).tolist() == [187, 187]  # (90 - 20) * 240 / 90 = 186.7


def test_pages(gray: Path) -> None:
    pages = list(sheets([finding(gray, LABEL, None)] * 43))
    assert [page.shape[0] // 264 for page in pages] == [8, 1]
    assert list(sheets([])) == []


def test_captions(gray: Path) -> None:
    assert caption(finding(gray, LABEL, (1, 1, 2, 2))) == "stop -> yield mislabeled 0.91"
    assert caption(finding(gray, LABEL, None)) == "stop spurious 0.91"
    assert caption(finding(gray, None, (1, 1, 2, 2))) == "yield missing 0.91"


def test_an_image_that_cannot_be_read_is_gray(tmp_path: Path) -> None:
    (page,) = sheets([finding(tmp_path / "none.png", LABEL, None)])
    assert (page[6:246, 6:246] == 128).all()
