"""Numbers of a split, computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ppdet.data.datasets import Category
from ppdet.data_check.split import Boxes, Image, Network, Split
from ppdet.data_view.statistics import ClassRow, SplitRow, as_text, statistics, write_json
from tests.support.image_specimens import encoded


def make_split(*boxes: tuple[int, int, list[float]], images: int = 2, crowd: int | None = None, **changes) -> Split:
    """Images of 640 x 320; boxes as (image, class index, xyxy), of which the one at `crowd` is a crowd."""
    count = len(boxes)
    of_split = Boxes(
        corners=np.array([box for _, _, box in boxes], np.float64).reshape(-1, 4),
        image=np.array([image for image, _, _ in boxes], np.int64),
        class_index=np.array([kind for _, kind, _ in boxes], np.int64),
        crowd=np.arange(count) == crowd,
        difficult=np.zeros(count, bool),
        area=np.full(count, np.nan),
    )
    listed = [Image(f"{index}.png", f"/none/{index}.png", (320, 640)) for index in range(images)]
    options = {"network": Network((320, 320)), **changes}
    categories = [Category(1, "cat"), Category(2, "dog")]
    return Split("train", Path("x.json"), Path(), listed, categories, of_split, **options)


def test_rows() -> None:
    """At 320 x 320 widths are halved: the boxes have the sides 7.07, 20 and 40 there."""
    found = statistics(make_split((0, 0, [0, 0, 10, 10]), (0, 0, [0, 0, 40, 20]), (1, 1, [10, 10, 90, 50]), images=4))
    assert found.row() == SplitRow("train", 4, 2, 3, 0.75, 640, 320, 10, 20, 36)
    assert found.class_rows() == [
        ClassRow("train", "cat", 1, 2, 2 / 3, 25, 15, 1.5, 0.5),
        ClassRow("train", "dog", 1, 1, 1 / 3, 80, 40, 2.0, 0.0),
    ]


def test_images_that_keep_their_shape_are_shrunk_to_fit() -> None:
    network = Network((320, 320), keep_ratio=True)
    found = statistics(make_split((0, 0, [0, 0, 40, 40]), network=network))
    assert found.input_sides == pytest.approx([20])


def test_what_is_no_box_does_not_count() -> None:
    """A crowd, a box without height, one with swapped corners, and one that is no number."""
    nan = float("nan")
    found = statistics(
        make_split(
            (0, 0, [0, 0, 40, 40]),
            (0, 0, [0, 0, 50, 50]),
            (1, 1, [0, 5, 50, 5]),
            (1, 1, [9, 9, 5, 20]),
            (1, 1, [0, nan, 5, 5]),
            crowd=1,
        )
    )
    assert found.row()[:4] == ("train", 2, 1, 1)
    assert found.boxes_per_image.tolist() == [1, 0]
    assert found.class_rows()[1] == ClassRow("train", "dog", 0, 0, 0.0, -1, -1, -1.0, -1.0)


def test_a_split_without_boxes() -> None:
    found = statistics(make_split())
    assert found.row() == SplitRow("train", 2, 2, 0, 0.0, 640, 320, -1, -1, -1)
    assert as_text([found]).splitlines()[1].split() == ["train", "2", "2", "0", "0.000", "640", "320", "-", "-", "-"]


def test_a_split_without_images() -> None:
    found = statistics(make_split(images=0))
    assert found.row() == SplitRow("train", 0, 0, 0, -1.0, -1, -1, -1, -1, -1)


def test_sizes_that_the_annotations_do_not_give(tmp_path: Path) -> None:
    """They are read from the files; a file that is not there has none."""
    split = make_split((0, 0, [0, 0, 40, 40]))
    (tmp_path / "a.png").write_bytes(encoded(".png", np.zeros((160, 320, 3), np.uint8)))
    images = [Image("a.png", str(tmp_path / "a.png"), None), Image("b.png", str(tmp_path / "b.png"), None)]
    found = statistics(Split("val", split.source, split.folder, images, split.categories, split.boxes))
    assert found.image_sizes.tolist() == [[160, 320]]
    assert found.input_sides == pytest.approx([40 * 2**0.5])


def test_what_is_not_known_is_null_in_the_file(tmp_path: Path) -> None:
    write_json(tmp_path / "stats.json", [statistics(make_split((0, 0, [0, 0, 40, 40])))])
    content = json.loads((tmp_path / "stats.json").read_text(encoding="utf-8"))
    assert content["splits"][0]["per_image"] == 0.5
    assert content["classes"][0] == {
        "split": "train",
        "name": "cat",
        "images": 1,
        "boxes": 1,
        "share": 1.0,
        "width": 40,
        "height": 40,
        "aspect": 1.0,
        "under_8": 0.0,
    }
    assert (content["classes"][1]["boxes"], content["classes"][1]["aspect"]) == (0, None)
