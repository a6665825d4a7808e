"""Copies, near copies and named groups stay together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data_edit.groups import as_pattern, connected, find_groups
from ppdet.data_edit.parts import Picture
from tests.support.data_faults import picture


def pictures(folder: Path, images: dict[str, np.ndarray]) -> list[Picture]:
    for name, image in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), image)
    return [Picture(str(folder / name), name, None, {}, []) for name in images]


def test_connected_by_way_of_others() -> None:
    pairs = [(np.array([4, 0, 5]), np.array([2, 5, 0])), (np.array([2]), np.array([0]))]
    assert connected(6, pairs).tolist() == [0, 1, 0, 2, 0, 0]
    assert connected(3, []).tolist() == [0, 1, 2]


def test_a_long_chain() -> None:
    order = np.random.default_rng(0).permutation(1000)
    even = order[order % 2 == 0]
    assert connected(1000, [(even[:-1], even[1:])]).tolist() == [0 if i % 2 == 0 else (i + 1) // 2 for i in range(1000)]


def test_copies_and_near_copies(tmp_path: Path) -> None:
    small = cv2.resize(picture(1), (80, 60), interpolation=cv2.INTER_AREA)
    found = pictures(
        tmp_path,
        {"a.png": picture(1), "b.png": picture(2), "c.png": picture(1), "d.jpg": picture(1), "e.png": small},
    )
    assert find_groups(found, None).tolist() == [0, 1, 0, 0, 0]


def test_near_copies_after_an_unreadable_file(tmp_path: Path) -> None:
    small = cv2.resize(picture(1), (80, 60), interpolation=cv2.INTER_AREA)
    found = pictures(tmp_path, {"a.png": picture(3), "b.png": picture(2), "c.png": picture(1), "d.png": small})
    (tmp_path / "a.png").write_bytes(b"no image")
    assert find_groups(found, None).tolist() == [0, 1, 2, 2]


def test_blank_images_are_not_alike(tmp_path: Path) -> None:
    blank = np.full((60, 80, 3), 90, np.uint8)
    assert find_groups(pictures(tmp_path, {"a.png": blank, "b.png": blank + 1}), None).tolist() == [0, 1]


def test_missing_and_unreadable_files_are_alone(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    names = ["bad.png", "none.png", "gone.png"]
    assert find_groups([Picture(str(tmp_path / n), n, None, {}, []) for n in names], None).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [(r"cam\d", [0, 0, 1, 2]), (r"cam\d_(day\d)", [0, 1, 0, 2]), ("^x", [0, 1, 2, 3])],
)
def test_names(pattern: str, groups: list[int], tmp_path: Path) -> None:
    names = ["cam1_day1.png", "cam1_day2.png", "cam2_day1.png", "other.png"]
    found = pictures(tmp_path, {name: picture(number) for number, name in enumerate(names)})
    assert find_groups(found, as_pattern(pattern)).tolist() == groups


def test_no_regular_expression() -> None:
    with pytest.raises(UserError, match=r"--by-group: '\(' is no regular expression \(.*\); correct it"):
        as_pattern("(")
