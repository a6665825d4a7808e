from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppdet.deploy.errors import DeployError
from ppdet.deploy.tracking.regions import area, check_names, from_file, from_options


def test_options() -> None:
    regions = from_options(["1,2,3,4", "gate=5,6 7,8"], ["0,0 9,0 9,9"])
    assert [(each.kind, each.name) for each in regions] == [("line", "line_1"), ("line", "gate"), ("zone", "zone_1")]
    np.testing.assert_array_equal(regions[1].points, [[5, 6], [7, 8]])
    np.testing.assert_array_equal(regions[2].points, [[0, 0], [9, 0], [9, 9]])


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "regions.yml"
    path.write_text("lines: {gate: [0, 0.5, 1, 0.5]}\nzones:\n  yard: [[0, 0], [1, 0], [1, 1]]\n", encoding="utf-8")
    regions = from_file(path)
    assert [(each.kind, each.name, each.points.tolist()) for each in regions] == [
        ("line", "gate", [[0, 0.5], [1, 0.5]]),
        ("zone", "yard", [[0, 0], [1, 0], [1, 1]]),
    ]


def test_the_area() -> None:
    assert area(np.array([[0, 0], [4, 0], [4, 3]])) == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,1,2", "--line 1,2,1,2: has no length; expected two different points"),
        ("1,2,3", "--line 1,2,3: found 3 numbers; expected x1,y1,x2,y2, in pixels, or all in"),
        ("1,2,3,a", "--line 1,2,3,a: found a; expected x1,y1,x2,y2"),
        ("1,2,3,nan", "--line 1,2,3,nan: found nan; expected"),
        ("", "--line : found 0 numbers; expected x1,y1,x2,y2"),
    ],
)
def test_wrong_lines(line: str, message: str) -> None:
    with pytest.raises(DeployError) as caught:
        from_options([line], [])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("1,2 3,4", "--zone 1,2 3,4: found 2 points; expected three points or more"),
        ("1,2 3,4 5", "--zone 1,2 3,4 5: found 5 numbers; expected three points or more"),
        ("1,1 2,2 3,3", "--zone 1,1 2,2 3,3: has no area; expected three corners"),
    ],
)
def test_wrong_zones(zone: str, message: str) -> None:
    with pytest.raises(DeployError) as caught:
        from_options([], [zone])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("line: {a: [1, 2, 3, 4]}", "line: an unknown key; expected lines or zones"),
        ("lines: {a: 5}", "lines.a: found 5; expected x1,y1,x2,y2"),
        ("lines: {a: [1, 2, 3, true]}", "lines.a: found true; expected x1,y1,x2,y2"),
        ("zones: {a: [[1, 2], [3, 4]]}", "zones.a: found 2 points; expected three points or more"),
        ("lines: {}", "has no lines and no zones; expected"),
        ("5", "found int; expected keys and values"),
        ("lines: [", "cannot be read (while parsing"),
    ],
)
def test_wrong_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "regions.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DeployError) as caught:
        from_file(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    with pytest.raises(DeployError, match=r"none.yml: cannot be read \(No such file or directory\)"):
        from_file(tmp_path / "none.yml")


def test_two_regions_of_one_name() -> None:
    check_names(from_options(["a=1,2,3,4"], ["a=0,0 9,0 9,9"]))
    with pytest.raises(DeployError, match=r"^--line a=5,6,7,8: --line a=1,2,3,4 has the name a too; expected another"):
        check_names(from_options(["a=1,2,3,4", "a=5,6,7,8"], []))


def test_outside_of_the_frame() -> None:
    region = from_options(["500,10,600,10"], [])[0]
    region.in_pixels((100, 600))
    with pytest.raises(
        DeployError, match=r"^--line 500,10,600,10: lies outside of the frames of 400 x 100 pixels; exp"
    ):
        region.in_pixels((100, 400))
