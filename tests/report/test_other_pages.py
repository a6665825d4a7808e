"""The pages of a training and of a comparison in a headless Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")

from ppdet.report.comparison import Side
from ppdet.report.comparison_page import Compared, write_comparison
from ppdet.report.training_page import write_training_page
from tests.support.browser import CONTRAST
from tests.support.compared import BAD, GOOD, OBJECTS
from tests.support.evaluated import make_evaluated, make_records
from tests.support.training_page import make_training

LONG = "a/very/long/path/" * 12


def write_training(folder: Path) -> Path:
    write_training_page(folder / "report.html", make_training(folder, 9, facts=[("command", LONG)]))
    return folder / "report.html"


def write_compared(folder: Path) -> Path:
    records = make_records(OBJECTS, folder, [f"{index}.png" for index in range(12)])
    found, other = make_evaluated(records, GOOD), make_evaluated(records, BAD).detections
    sides = Side(LONG, found.detections), Side("b", other)
    write_comparison(folder, Compared("run", found.dataset, "COCO", "11point", *sides, [("command", LONG)], LONG))
    return folder / "compare.html"


@pytest.fixture(scope="module", params=[write_training, write_compared], ids=["training", "comparison"])
def address(request: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = request.param(tmp_path_factory.mktemp("page"))
    return path.as_uri()


def test_both_color_schemes_can_be_read(view: Any) -> None:
    light, dark = (view(color_scheme=scheme).evaluate(CONTRAST) for scheme in ("light", "dark"))
    assert light[0] > 0.9
    assert dark[0] < 0.05
    assert min(light[1], dark[1]) >= 4.5


@pytest.mark.parametrize("width", [360, 1200])
def test_no_width_makes_the_page_scroll_sideways(view: Any, width: int) -> None:
    page = view(viewport={"width": width, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_tables_are_sorted_by_a_click(view: Any) -> None:
    page = view()
    table = page.locator("table").first
    before = table.locator("tbody th").all_text_contents()
    table.locator("thead button").nth(1).click()
    values = [
        float(each or "-1")
        for each in table.locator("tbody tr td:nth-child(2)").evaluate_all("all => all.map(e => e.dataset.v)")
    ]
    assert values == sorted(values, reverse=True)
    assert sorted(table.locator("tbody th").all_text_contents()) == sorted(before)


def test_every_picture_is_shown(view: Any) -> None:
    widths = view().evaluate("Promise.all([...document.images].map((i) => i.decode().then(() => i.naturalWidth)))")
    assert len(widths) == 18
    assert min(widths) > 50


def test_a_running_training_is_loaded_again(browser: Any, tmp_path: Path) -> None:
    """At its place, with the new numbers; a training that has ended is not."""
    page = browser.new_context().new_page()
    page.clock.install()
    write_training(tmp_path)
    page.goto((tmp_path / "report.html").as_uri())
    assert "it may have been killed" in page.locator("#silent").text_content()
    write_training_page(tmp_path / "report.html", make_training(tmp_path, name="changed"))
    with page.expect_navigation():
        page.clock.run_for(31_000)
    assert page.locator("h1").text_content() == "changed"
    page.context.close()
