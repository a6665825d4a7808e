"""The page in a headless Chromium: no error, sorting, clicking, both color schemes, a phone, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppdet.report.write import write_report
from tests.support.browser import CONTRAST
from tests.support.evaluated import make_evaluated, make_records

pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")

LEFT, RIGHT, LOW = [10, 10, 80, 80], [110, 20, 190, 120], [20, 140, 60, 190]
NAMES = ["a cat with a very long name that does not fit", "dog", "<b>bird"]
OBJECTS = [[[0, *LEFT], [1, *RIGHT]], [[0, *LEFT]], [[1, *LEFT], [0, *RIGHT]], [[2, *LOW]]]
DETECTIONS = [
    [[0, 0.9, *LEFT], [1, 0.8, *RIGHT]],
    [[0, 0.95, *LEFT], [2, 0.97, *LOW]],
    [[0, 0.85, *LEFT], [0, 0.7, *RIGHT]],
    [],
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("browser")
    records = make_records(OBJECTS, folder, [f"{index}.png" for index in range(4)])
    facts = [("command", "ppdet eval -c " + "a/very/long/path/" * 12)]
    write_report(folder / "out", make_evaluated(records, DETECTIONS, NAMES, facts=facts, config="key: " + "x" * 400))
    return (folder / "out" / "report.html").as_uri()


def column(page: Any, index: int) -> list[str]:
    return page.locator("#classes tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{index}].textContent)")


def test_sorting_with_the_mouse_and_the_keyboard(view: Any) -> None:
    page = view()
    assert column(page, 1) == ["3", "2", "1"]
    heading = page.locator("#classes thead th").nth(1)
    heading.locator("button").click()
    assert (heading.get_attribute("aria-sort"), column(page, 1)) == ("descending", ["3", "2", "1"])
    page.keyboard.press("Enter")
    assert (heading.get_attribute("aria-sort"), column(page, 1)) == ("ascending", ["1", "2", "3"])
    names = page.locator("#classes thead th").nth(0)
    names.locator("button").click()
    names.locator("button").click()
    assert column(page, 0) == ["<b>bird", NAMES[0], "dog"]
    assert heading.get_attribute("aria-sort") is None


def test_what_is_not_known_is_sorted_last(view: Any) -> None:
    page = view()
    last = page.locator("#classes thead th button").last  # F1; nothing right was found of the third class
    for _ in range(2):
        last.click()
        assert column(page, 0)[-1] == "<b>bird"


def test_a_cell_shows_its_pictures(view: Any) -> None:
    page = view()
    label = f"dog taken for {NAMES[0]}: 1"
    dialog = page.locator("dialog")
    assert not dialog.is_visible()
    page.locator(f'button[aria-label="{label}"]').click()
    assert dialog.locator("h3").text_content() == label
    assert dialog.locator("img").count() == 1
    assert dialog.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.locator(f'button[aria-label="{label}"]').press("Enter")
    dialog.locator(".close").click()
    assert not dialog.is_visible()


def test_one_threshold_for_both_charts(view: Any) -> None:
    page = view()
    readout, slider = page.locator("#readout"), page.locator("#threshold")
    slider.fill("0.88")
    assert readout.text_content() == "threshold 0.88: precision 66.7 %, recall 33.3 %, F1 44.4 %"
    page.locator('.chart[data-kind="f1"] svg').hover(position={"x": 5, "y": 40})
    assert readout.text_content().startswith("threshold 0.00: ")
    page.locator('.chart[data-kind="pr"] svg').hover()
    assert not readout.text_content().startswith("threshold 0.00: ")
    page.locator("#curve-class").select_option("2")
    lines = page.locator('.chart path[stroke="var(--green)"]').evaluate_all("all => all.map(e => e.getAttribute('d'))")
    assert len(lines) == 2
    assert all(line.startswith("M") for line in lines)
    slider.fill("1")
    assert readout.text_content() == "threshold 1.00: precision –, recall 0.0 %, F1 0.0 %"


def test_both_color_schemes_can_be_read(view: Any) -> None:
    """The contrast of text is at least that of the accessibility guidelines, also inside of the figures."""
    light, dark = (view(color_scheme=scheme).evaluate(CONTRAST) for scheme in ("light", "dark"))
    assert light[0] > 0.9
    assert dark[0] < 0.05
    assert min(light[1], dark[1]) >= 4.5


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_no_width_makes_the_page_scroll_sideways(view: Any, width: int) -> None:
    page = view(viewport={"width": width, "height": 740})
    page.locator("details summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_every_picture_and_figure_is_shown(view: Any) -> None:
    page = view()
    widths = page.evaluate("Promise.all([...document.images].map((i) => i.decode().then(() => i.naturalWidth)))")
    assert len(widths) == 7  # without those of cells that were not opened
    assert min(widths) > 50
    assert page.locator("svg").count() == 10
    assert all(box["height"] > 100 for box in (svg.bounding_box() for svg in page.locator("svg").all()))


def test_it_prints_on_white(view: Any, tmp_path: Path) -> None:
    page = view(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(CONTRAST)[0] == pytest.approx(1)
    assert not page.locator("nav").is_visible()
    assert not page.locator(".explore").is_visible()
    assert page.pdf(path=tmp_path / "page.pdf", format="A4").startswith(b"%PDF")
