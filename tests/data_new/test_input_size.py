"""The size of the input that boxes need, at exact values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppdet.data_edit.parts import Object, Part, Picture
from ppdet.data_new.input_size import box_areas, reason, small_shares, suggest_size
from tests.support.data_faults import picture as drawn
from tests.support.image_specimens import encoded

SIZES = (320, 416, 640)


def areas(*sides: float) -> dict[str, np.ndarray]:
    """20 boxes of each side in pixels of an input of 320, all of one class."""
    return {"screw": (np.repeat(np.array(sides), 20) / 320) ** 2}


def box(width: float, height: float, class_index: int = 0, crowd: bool = False) -> Object:
    return Object(class_index, [0, 0, width, height], crowd, False, {})


def test_areas_are_shares_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(encoded(".png", drawn(1, 160, 120)))
    without_box = Object(0, None, False, False, {})
    pictures = [
        Picture("a.png", "a.png", (100, 200), {}, [box(20, 10), box(50, 50, 1), box(5, 5, crowd=True), without_box]),
        Picture(str(tmp_path / "b.png"), "b.png", None, {}, [box(16, 12), box(0, 5)]),
        Picture("missing.png", "missing.png", None, {}, [box(16, 12)]),
    ]
    found = box_areas([Part("train", [{"name": "a"}, {"name": "b"}, {"name": "c"}], pictures)])
    assert {name: values.tolist() for name, values in found.items()} == {"a": [0.01, 0.01], "b": [0.125], "c": []}


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ((8, 8, 8, 8, 8), 320),
        ((7.9, 8, 8, 8, 8), 320),  # a fifth is not many
        ((7.9, 7.9, 8, 8, 8), 416),
        ((6.2, 6.2, 8, 8, 8), 416),  # 6.2 * 416 / 320 = 8.06
        ((6.1, 6.1, 8, 8, 8), 640),
        ((1, 1, 1), 640),  # the largest, though it is too small as well
        ((), 320),
    ],
)
def test_suggest_size(sides: tuple[float, ...], expected: int) -> None:
    assert suggest_size(areas(*sides), SIZES) == expected


def test_each_class_counts_for_itself() -> None:
    both = {"frequent": np.full(1000, 0.25), "rare": (np.repeat([7.0, 7.0, 9.0], 7) / 320) ** 2}
    assert small_shares(both, 320) == {"rare": pytest.approx(2 / 3)}
    assert suggest_size(both, SIZES) == 416


def test_a_class_of_few_boxes_does_not_count() -> None:
    assert suggest_size({"screw": np.full(19, 1e-6)}, SIZES) == 320
    assert suggest_size({"screw": np.full(20, 1e-6)}, SIZES) == 640


def test_reason() -> None:
    assert reason(areas(8), 320, 320) == "no class has over 20% of its boxes under 8 pixels there"
    assert reason(areas(8), 416, 320).endswith("there, nor at 320, which is faster")
    assert reason(areas(7), 320, 416) == "100% of screw are under 8 pixels there; 416 suits them better"
    assert reason(areas(1), 640, 640).startswith("100% of screw are under 8 pixels there; detection in tiles")
