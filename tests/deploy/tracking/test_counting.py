from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ppdet.deploy.tracking.counting import LineCounter, ZoneCounter, make_counters, summary, update_all
from ppdet.deploy.tracking.overlay import draw_counters
from ppdet.deploy.tracking.regions import Region, from_options
from ppdet.deploy.tracking.tracked import Tracked

SIZE = 200, 400  # height, width
SQUARE = "100,50 300,50 300,150 100,150"


def tracked(*objects: tuple[int, str, float, float], side: float = 20) -> Tracked:
    """Objects (id, class, x, y of the center)."""
    boxes = np.array([(x - side / 2, y - side / 2, x + side / 2, y + side / 2) for _, _, x, y in objects], np.float32)
    ids = np.array([number for number, *_ in objects], np.int64)
    names = tuple(name for _, name, _, _ in objects)
    scores = np.ones(len(ids), np.float32)
    return Tracked(boxes.reshape(-1, 4), scores, np.zeros(len(ids), np.int64), names, ids=ids)


def walk(line: str, points: Sequence[tuple[float, float]], anchor: str = "center", side: float = 20) -> tuple[int, int]:
    """(in, out) of a line that one object walks over."""
    counter = LineCounter(from_options([line], [])[0])
    for x, y in points:
        update_all([counter], tracked((1, "car", x, y), side=side), anchor)
    return counter.counts["car", "in"], counter.counts["car", "out"]


def test_a_line_from_left_to_right_counts_downwards_as_in() -> None:
    assert walk("0,100,400,100", [(50, 60), (50, 140)]) == (1, 0)
    assert walk("0,100,400,100", [(50, 140), (50, 60)]) == (0, 1)
    assert walk("400,100,0,100", [(50, 60), (50, 140)]) == (0, 1)
    assert walk("0,100,400,100", [(50, 60), (50, 140), (50, 60), (50, 140)]) == (2, 1)


def test_only_between_the_ends() -> None:
    assert walk("100,100,200,100", [(50, 60), (50, 140)]) == (0, 0)
    assert walk("100,100,200,100", [(90, 80), (130, 120)]) == (1, 0)  # crosses at 110
    assert walk("100,100,200,100", [(60, 80), (130, 120)]) == (0, 0)  # crosses at 95


def test_a_slanting_line() -> None:
    assert walk("0,0,200,200", [(120, 80), (80, 120)]) == (1, 0)
    assert walk("0,0,200,200", [(80, 120), (120, 80)]) == (0, 1)


def test_trembling_on_the_line_is_not_counted() -> None:
    trembling = [(50, 100 + d) for d in (-1.5, 1.5) * 5]
    assert walk("0,100,400,100", [(50, 60), *trembling, (50, 60)]) == (0, 0)
    assert walk("0,100,400,100", [(50, 60), *trembling, (50, 140)]) == (1, 0)


def test_hidden_on_the_line() -> None:
    """The object is not seen for some frames, and other objects are."""
    counter = LineCounter(from_options(["0,100,400,100"], [])[0])
    for frame in (tracked((1, "car", 50, 60)), tracked((2, "car", 90, 60)), tracked(), tracked((1, "car", 50, 140))):
        update_all([counter], frame, "center")
    assert counter.counts == {("car", "in"): 1}


def test_the_lower_side() -> None:
    assert walk("0,100,400,100", [(50, 85), (50, 95)], "center") == (0, 0)
    assert walk("0,100,400,100", [(50, 85), (50, 95)], "bottom") == (1, 0)


def test_a_zone() -> None:
    counter = ZoneCounter(from_options([], [SQUARE])[0])
    now = []
    for frame in (
        tracked((1, "car", 50, 100), (2, "bus", 200, 100)),
        tracked((1, "car", 150, 100), (2, "bus", 200, 100)),
        tracked((1, "car", 101, 100), (2, "bus", 200, 170)),  # the car is too near to the border to say
        tracked((1, "car", 50, 100)),
        tracked((1, "car", 150, 100)),
    ):
        update_all([counter], frame, "center")
        now.append(counter.now)
    assert now == [1, 2, 1, 0, 1]
    assert summary(counter) == {
        "in": 2,
        "out": 2,
        "seen": 2,
        "classes": {"bus": {"in": 0, "out": 1, "seen": 1}, "car": {"in": 2, "out": 1, "seen": 1}},
    }


def test_a_zone_smaller_than_the_object() -> None:
    counter = ZoneCounter(from_options([], ["100,100 106,100 106,106 100,106"])[0])
    for x in (50, 103, 150):
        update_all([counter], tracked((1, "car", x, 103), side=100), "center")
    assert (counter.counts["car", "in"], counter.counts["car", "out"]) == (1, 1)


def test_fractions_are_of_the_frame() -> None:
    regions = from_options(["0,0.5,1,0.5"], ["0.25,0.25 0.75,0.25 0.75,0.75"])
    line, zone = make_counters(regions, SIZE)
    np.testing.assert_array_equal(line.region.points, [[0, 100], [400, 100]])
    np.testing.assert_array_equal(zone.region.points, [[100, 50], [300, 50], [300, 150]])


@pytest.mark.parametrize("region", [from_options(["gate=10,100,390,100"], [])[0], from_options([], [SQUARE])[0]])
def test_regions_are_drawn(region: Region) -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    counters = make_counters([region], SIZE)
    draw_counters(image, counters)
    x, y = ((region.points[0] + region.points[1]) / 2).astype(int)
    assert image[y, x].tolist() == [255, 255, 255]
    before = image.copy()
    counters[0].counts["car", "in"] = 8
    draw_counters(image, counters)
    assert (image != before).any()
