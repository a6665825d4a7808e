"""Limits of the checks of boxes, computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ppdet.data.datasets import Category
from ppdet.data_check import boxes, overlaps
from ppdet.data_check.finding import Finding
from ppdet.data_check.pixels import Pixels
from ppdet.data_check.split import Boxes, Image, Network, Split

CATEGORIES = [Category(1, "cat"), Category(2, "dog")]


def split_of(*corners: tuple[float, ...], size: tuple[int, int] = (240, 640), kinds: tuple[int, ...] = ()) -> Split:
    """One image of this (height, width) with the xyxy boxes, of the first class unless `kinds` says otherwise."""
    count = len(corners)
    rows = Boxes(
        corners=np.array(corners, np.float64).reshape(-1, 4),
        image=np.zeros(count, np.int64),
        class_index=np.array(kinds or [0] * count, np.int64),
        crowd=np.zeros(count, bool),
        difficult=np.zeros(count, bool),
        area=np.full(count, np.nan),
    )
    return Split("train", Path("a.json"), Path(), [Image("a.jpg", "a.jpg", size)], CATEGORIES, rows)


def count(finding: Finding | None) -> int:
    return finding.count if finding else 0


@pytest.mark.parametrize(
    ("check", "box", "expected"),
    [
        (boxes.boxes_outside, (640, 0, 650, 10), 1),  # begins where the image ends
        (boxes.boxes_outside, (639, 0, 650, 10), 0),
        (boxes.boxes_outside, (-9, 0, 0, 10), 1),
        (boxes.boxes_outside, (0, 240, 9, 250), 1),
        (boxes.boxes_partly_outside, (600, 200, 640.9, 240.9), 0),  # less than a pixel
        (boxes.boxes_partly_outside, (600, 200, 641, 240), 1),
        (boxes.boxes_partly_outside, (600, 200, 640, 241), 1),
        (boxes.boxes_partly_outside, (-1, 200, 640, 240), 1),
        (boxes.boxes_partly_outside, (640, 0, 650, 10), 0),  # outside
        (boxes.boxes_tiny, (10, 10, 11.9, 50), 1),
        (boxes.boxes_tiny, (10, 10, 12, 50), 0),
        (boxes.boxes_extreme, (10, 10, 14, 90), 0),
        (boxes.boxes_extreme, (10, 10, 14, 91), 1),
        (boxes.boxes_of_whole_images, (6, 2, 634, 238), 1),
        (boxes.boxes_of_whole_images, (6, 2, 634, 237), 0),
        (boxes.boxes_without_size, (10, 10, 10, 20), 1),
        (boxes.boxes_without_size, (10, 10, 9, 20), 0),  # swapped
        (boxes.boxes_swapped, (10, 10, 9, 20), 1),
        (boxes.boxes_not_numbers, (10, np.nan, 9, 20), 1),
        (boxes.boxes_not_numbers, (10, np.inf, 9, 20), 1),
    ],
)
def test_one_box(check: Callable[[Split], Finding | None], box: tuple[float, ...], expected: int) -> None:
    assert count(check(split_of(box))) == expected


@pytest.mark.parametrize(
    ("side", "keep_ratio", "expected"),
    [
        (12, False, 0),  # 640 x 240 -> 320 x 320: 6 x 16, as large as 9.8 x 9.8
        (9, False, 1),  # 4.5 x 12, as large as 7.3 x 7.3
        (12, True, 1),  # 6 x 6
        (17, True, 0),  # 8.5 x 8.5
    ],
)
def test_small_at_the_input(side: int, keep_ratio: bool, expected: int) -> None:
    split = replace(split_of((10, 10, 10 + side, 10 + side)), network=Network((320, 320), keep_ratio))
    assert count(boxes.boxes_small_for_the_input(split)) == expected


def test_small_boxes_are_counted_by_class() -> None:
    """Of the first class one of five is small, which is usual; of the second one of two."""
    small, large = (10, 10, 13, 13), (50, 50, 90, 90)
    corners = [small] + 4 * [large] + [small, large]
    finding = boxes.boxes_small_for_the_input(split_of(*corners, kinds=(0, 0, 0, 0, 0, 1, 1)))
    assert finding
    assert finding.count == 1
    assert finding.what == "boxes are under 8 pixels at 320 x 320: 50% of dog"


@pytest.mark.parametrize(("number", "expected"), [(4, 0), (5, 5)])
def test_fractions_need_several_boxes(number: int, expected: int) -> None:
    corners = [(0.1, 0.1 * index, 0.9, 1) for index in range(number)]
    assert count(boxes.boxes_normalized(split_of(*corners))) == expected


def test_corners_that_do_not_all_fit_are_not_taken_for_corners() -> None:
    written = [(x, 20, x + x + 60, 20 + 200) for x in range(300, 400, 10)]  # as x, y, x2, y2 of boxes 60 wide
    assert count(boxes.boxes_as_xyxy(split_of(*written))) == 10
    assert count(boxes.boxes_as_xyxy(split_of(*written, (50, 50, 80, 70)))) == 0  # 30 x 20: no corner after 50, 50
    assert count(boxes.boxes_partly_outside(split_of(*written))) == 0  # follows from it


@pytest.mark.parametrize(
    ("other", "kinds", "near", "two"),
    [
        ((0, 0, 100, 91), (0, 0), 1, 0),
        ((0, 0, 100, 90), (0, 0), 0, 0),  # IoU of just 0.9
        ((0, 0, 100, 91), (0, 1), 0, 0),
        ((0, 0, 100, 100), (0, 0), 0, 0),  # repeated
        ((0, 0, 100, 100), (0, 1), 0, 1),
    ],
)
def test_two_boxes(other: tuple[float, ...], kinds: tuple[int, ...], near: int, two: int) -> None:
    split = split_of((0, 0, 100, 100), other, kinds=kinds)
    assert count(overlaps.boxes_nearly_repeated(split)) == near
    assert count(overlaps.boxes_of_two_classes(split)) == two
    assert count(overlaps.boxes_repeated(split)) == (other == (0, 0, 100, 100) and kinds == (0, 0))


@pytest.mark.parametrize(
    ("annotated", "expected"), [((30, 40), (30, 40)), ((40, 30), (40, 30)), ((9, 9), (40, 30)), (None, (40, 30))]
)
def test_the_size_is_that_of_the_turned_image_unless_the_stored_one_is_annotated(annotated, expected) -> None:
    turned = Pixels("", size=(30, 40), upright_size=(40, 30))
    split = replace(split_of(), images=[Image("a.jpg", "a.jpg", annotated)], pixels=[turned])
    assert tuple(split.image_sizes[0]) == expected
