"""Small pictures: what is cut out, what is drawn, and what becomes of images that cannot be read."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.report.pictures import Box, Budget, Picture, draw_all, draw_one

GREEN, ORANGE = [94, 158, 43], [43, 130, 240]


def test_the_whole_image_with_both_kinds_of_boxes() -> None:
    boxes = [Box((20, 20, 60, 60), "truth"), Box((40, 100, 180, 140), "found")]
    view = draw_one(np.full((200, 400, 3), 255, np.uint8), Picture("", boxes, "", side=400))
    assert view.shape == (200, 400, 3)
    assert view[20, 40].tolist() == view[40, 20].tolist() == GREEN
    assert view[100, 100].tolist() == ORANGE
    assert view[40, 40].tolist() == [255] * 3


def test_a_crop_is_around_its_box() -> None:
    """A box of 40 pixels with 28 around it, four times as large."""
    image = np.zeros((200, 200, 3), np.uint8)
    image[80:120, 80:120] = 255
    view = draw_one(image, Picture("", [], "", focus=(80, 80, 120, 120), side=384))
    assert view.shape == (384, 384, 3)
    inside = np.flatnonzero(view[192, :, 0] > 128)
    assert (inside[0], inside[-1]) == pytest.approx((112, 271), abs=2)


@pytest.mark.parametrize("focus", [(-50, -50, -10, -10), (500, 500, 900, 900), (0, 0, 1, 1), (-1e6, 0, 1e6, 5)])
def test_boxes_at_and_beyond_the_edges(focus: tuple[float, float, float, float]) -> None:
    view = draw_one(np.zeros((30, 40, 3), np.uint8), Picture("", [Box(focus, "found")], "", focus=focus, side=64))
    assert max(view.shape) == 64


def picture(path: Path) -> Picture:
    return Picture(str(path), [], "")


def test_pictures_are_jpegs_in_the_text(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((50, 100, 3), (0, 0, 255), np.uint8))
    uris = draw_all(
        [picture(tmp_path / "a.png"), picture(tmp_path / "none.png"), picture(tmp_path / "a.png")], Budget(10**6)
    )
    assert uris[1] == ""
    assert uris[0] == uris[2]
    kind, data = uris[0].split(",")
    assert kind == "data:image/jpeg;base64"
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (84, 168, 3)
    assert image[40, 80].tolist() == pytest.approx([0, 0, 255], abs=8)


def test_the_budget_is_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(8):
        cv2.imwrite(str(tmp_path / f"{index}.png"), rng.integers(0, 256, (168, 168, 3), np.uint8))
    budget = Budget(60_000)
    uris = draw_all([picture(tmp_path / f"{index}.png") for index in range(8)], budget)
    assert 0 < sum(map(len, uris)) <= 60_000 + 8 * 30
    assert budget.refused == sum(not uri for uri in uris) > 0
