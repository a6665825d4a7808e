"""Two sets of detections compared: numbers, verdicts, the images they differ on, the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.metrics.analysis.bootstrap import Difference
from ppdet.metrics.analysis.error_kinds import KINDS
from ppdet.report.comparison import Side, comparison_numbers, differing_images, verdict
from ppdet.report.galleries import build_scene
from tests.support.compared import AWAY, BAD, BIG, GOOD, OBJECTS
from tests.support.evaluated import make_evaluated, make_records, make_scene
from tests.support.html_page import Page

EVIL = "</script><img src=x onerror=alert(1)>`{{ 1 }}"


def make_scenes(a: Any = GOOD, b: Any = BAD) -> list[Any]:
    found = make_evaluated(make_records(OBJECTS), a)
    other = make_evaluated(make_records(OBJECTS), b).detections
    return [build_scene(found.dataset, each, "COCO", "11point") for each in (found.detections, other)]


def test_the_numbers() -> None:
    a, b = make_scenes()
    numbers = comparison_numbers(a, b, ("first", "second"))
    main = numbers["scores"][0]
    assert (main["name"], main["a"]) == ("AP", 1.0)
    assert main["difference"] == pytest.approx(main["a"] - main["b"])
    assert main["interval"][0] <= main["difference"] <= main["interval"][1]
    first, second = numbers["classes"]
    assert (first["name"], first["objects"], first["a"]) == ("a", 9, 1.0)
    assert (second["b"], second["difference"], second["clear"]) == (0.0, 1.0, True)
    small = next(each for each in numbers["scores"] if each["name"] == "APs")
    assert small == {"name": "APs", "a": None, "b": None, "difference": None, "interval": None, "clear": False}
    missed = next(each for each in numbers["errors"] if each["kind"] == "missed")
    assert missed["a"] == 0
    assert missed["b"] == pytest.approx(b.analysis.errors.gain[KINDS.index("missed")], abs=1e-5)
    assert missed["b"] > 0.1
    assert numbers["verdict"].startswith("`first` is better than `second` by ")


def test_equal_detections_are_noise() -> None:
    a, b = make_scenes(GOOD, GOOD)
    numbers = comparison_numbers(a, b, ("first", "second"))
    assert numbers["verdict"] == "No clear difference: +0.0 ± 0.0 AP is noise with 12 images."
    assert not any(each["clear"] for each in [*numbers["scores"], *numbers["classes"]])
    assert differing_images(a, b) == []


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.012, 0.004, 0.019, "`a` is better than `b` by 1.2 ± 0.8 AP."),
        (-0.02, -0.031, -0.01, "`b` is better than `a` by 2.0 ± 1.1 AP."),
        (-0.004, -0.01, 0.002, "No clear difference: -0.4 ± 0.6 AP is noise with 1,200 images."),
        (0.5, np.nan, np.nan, "The 1,200 images cannot tell which one is better in AP."),
    ],
)
def test_the_verdict(value: float, low: float, high: float, text: str) -> None:
    assert verdict("AP", Difference(value, low, high, 0.01, 0.9), ("a", "b"), 1200) == text


def test_the_images_that_differ_most() -> None:
    """Found by one only counts, and wrong boxes that one has more of; not boxes that both have wrong."""
    objects = [[[0, *BIG]], [[0, *BIG], [1, *AWAY]], [[0, *BIG]], [[0, *BIG], [0, *AWAY]]]
    a = make_scene(objects, [[[0, 0.9, *BIG]], [[0, 0.9, *BIG], [1, 0.9, *AWAY]], [[1, 0.9, *BIG]], [[0, 0.9, *BIG]]])
    b = make_scene(objects, [[[0, 0.9, *BIG], [1, 0.9, *AWAY]], [], [[1, 0.9, *BIG]], [[0, 0.9, *AWAY]]])
    pairs = differing_images(a, b)
    assert [Path(first.file).name for first, _ in pairs] == ["1.png", "3.png", "0.png"]
    assert [(first.caption, second.caption) for first, second in pairs] == [
        ("A: 0 wrong, 0 missed", "B: 0 wrong, 2 missed"),
        ("A: 0 wrong, 1 missed", "B: 0 wrong, 1 missed"),
        ("A: 0 wrong, 0 missed", "B: 1 wrong, 0 missed"),
    ]
    assert [len(first.boxes) for first, _ in pairs] == [4, 3, 2]


def test_the_page(tmp_path: Path) -> None:
    """Its numbers are those of compare.json, and names are never markup."""
    pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
    from ppdet.report.comparison_page import Compared, write_comparison

    records = make_records(OBJECTS, tmp_path, [f"{index}.png" for index in range(12)])
    found = make_evaluated(records, GOOD, ("cat", EVIL))
    other = make_evaluated(records, BAD).detections
    sides = Side(EVIL, found.detections), Side("b", other)
    compared = Compared(EVIL, found.dataset, "COCO", "11point", *sides, [("command", EVIL)], EVIL)
    said = write_comparison(tmp_path / "out", compared)
    numbers = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert numbers["verdict"] == said
    page = Page(tmp_path / "out" / "compare.html")
    rows = {row[0]: row[1:] for row in page.tables["scores"]}
    main = numbers["scores"][0]
    assert rows["AP"][:3] == [f"{100 * main['a']:.1f}", f"{100 * main['b']:.1f}", f"{100 * main['difference']:+.1f}"]
    assert rows["AP"][4] == "A"
    assert rows["APs"] == ["–"] * 5
    assert [row[:2] for row in page.tables["classes"][1:]] == [["cat", "9"], [EVIL, "3"]]
    assert page.count("script") == 1
    assert not [tag for tag, attributes in page.elements if "onerror" in attributes]
    assert not [value for value in page.values("src") if not value.startswith("data:image/jpeg")]
    assert page.count("img") == 2 * 9
    ids = page.values("id")
    assert {value[1:] for value in page.values("href") if value.startswith("#")} <= set(ids)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"compare.html", "compare.json"}
