"""A whole report: its files, what it refers to, and names that would be markup or paths."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")

from ppdet.core.errors import UserError
from ppdet.report.page import emphasized, percent, render
from ppdet.report.write import require_report, write_report
from tests.support.evaluated import make_evaluated, make_records
from tests.support.html_page import Page

BIG, AWAY = [20, 20, 120, 120], [150, 150, 190, 190]
OBJECTS = [[[0, *BIG], [1, *AWAY]], [[0, *BIG]], []]
DETECTIONS = [[[0, 0.9, *BIG]], [[1, 0.8, *BIG]], [[0, 0.7, *AWAY]]]
PLOTS = {"precision_recall", "f1", "confusion", "errors", "calibration"}
EVIL = ['</script><script>alert(1)</script>"', "a`b{{ 1 }}\u2028&amp;'<img src=x onerror=alert(1)>"]
FILES = ["plain.png", "a b#c?.png", "<b>%41'\".png"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report with names that could be markup, beside a training set."""
    folder = tmp_path_factory.mktemp("report")
    training: Any = make_evaluated(make_records([[[0, *BIG]]] * 7), [[]] * 7).dataset
    records, facts = make_records(OBJECTS, folder / "images", FILES), [("command", EVIL[0])]
    evaluated = make_evaluated(records, DETECTIONS, EVIL, facts=facts, config=EVIL[1], training=training)
    write_report(folder / "out", evaluated)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page(folder / "out" / "report.html")


def test_the_files(folder: Path) -> None:
    names = {file.name for file in (folder / "out").iterdir()}
    assert {"report.html", "report.json", *(f"{name}.png" for name in PLOTS)} <= names
    assert not [name for name in names if name.startswith(".")]
    numbers = json.loads((folder / "out" / "report.json").read_text())
    assert (numbers["images"], numbers["objects"], numbers["detections"]) == (3, 3, 3)
    assert numbers["threshold"] == pytest.approx(0.85)
    assert numbers["confusion"]["counts"] == [[1, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert numbers["scores"][2] == {"name": "APs", "value": None, "interval": None}
    assert [each["objects"] for each in numbers["classes"]] == [2, 1]
    assert [each["training_boxes"] for each in numbers["classes"]] == [7, 0]
    assert numbers["facts"] == {"command": EVIL[0]}


def test_nothing_comes_from_the_network(page: Page) -> None:
    addresses = page.values("src", "href", "srcset", "action", "data")
    assert addresses
    assert not [value for value in addresses if re.match(r"(https?:)?//", value)]
    assert not re.search(r"url\((?!#)|@import", page.source)
    assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "form", "base"}
    policy = next(attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_the_script_is_the_one_that_the_policy_allows(page: Page) -> None:
    script = re.search(r"<script>(.*?)</script>", page.source, re.DOTALL).group(1)
    assert f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" in page.source


def test_names_are_text(page: Page) -> None:
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert not page.values("onerror")
    data = re.search(r'<script id="curves" type="application/json">(.*?)</script>', page.source, re.DOTALL).group(1)
    assert [each["name"] for each in json.loads(data)["classes"]] == ["all classes", *EVIL]
    assert "\u2028" not in data


def test_links_lead_to_the_images(folder: Path, page: Page) -> None:
    links = {os.path.normpath(folder / "out" / unquote(value)) for value in page.values("href") if value[:2] == ".."}
    assert links == {str(folder / "images" / name) for name in FILES[:2]}  # nothing is wrong on the third


def test_every_reference_inside_has_its_target(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in page.values("href") if value.startswith("#")} <= set(ids)
    assert page.values("data-cell")
    assert set(page.values("data-cell")) <= set(ids)
    assert all(page.values("alt"))


def test_the_training_set_is_beside(page: Page) -> None:
    assert "beside the 7 of the training set" in page.source


@pytest.mark.parametrize(
    ("metric", "detections"), [("COCO", [[], [], []]), ("VOC", [[[1, 0.9, *AWAY]], [], []])], ids=["none", "all wrong"]
)
def test_awkward_evaluations_without_image_files(tmp_path: Path, metric: str, detections: Any) -> None:
    scores = {"mAP": 0.0} if metric == "VOC" else {"AP": 0.0}
    evaluated = make_evaluated(make_records(OBJECTS), detections, metric=metric, scores=scores)
    write_report(tmp_path / "out", evaluated)
    page = Page(tmp_path / "out" / "report.html")
    assert "What holds it back" in page.source
    assert not page.values("src")
    assert not page.values("data-cell")
    assert page.values("data-kind") == ["pr", "f1"]


def rewrite(folder: Path, monkeypatch: pytest.MonkeyPatch, page: str | None) -> None:
    """A report whose page is `page`; None: writing it fails."""
    monkeypatch.setattr("ppdet.report.write.page_content", lambda *args: {})
    monkeypatch.setattr("ppdet.report.write.render", lambda content: 1 / 0 if page is None else page)
    write_report(folder, make_evaluated(make_records(OBJECTS), DETECTIONS))


def test_again_into_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for page in ("old", "new"):
        rewrite(tmp_path, monkeypatch, page)
        assert (tmp_path / "report.html").read_text() == page
    assert {file.name for file in tmp_path.iterdir()} == {"mine.txt", "report.html", "report.json"}


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(tmp_path, monkeypatch, "old")
    with pytest.raises(ZeroDivisionError):
        rewrite(tmp_path, monkeypatch, None)
    assert (tmp_path / "report.html").read_text() == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "report.json"}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"file: cannot be written \(.*\); choose another --report"):
        require_report(tmp_path / "file")


def test_a_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--report: jinja2 is not installed; pip install jinja2"):
        require_report(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_texts() -> None:
    assert percent(0.4116) == "41.2"
    assert percent(None) == percent(-1) == "–"
    assert emphasized("a `<b>` & c") == "a <code>&lt;b&gt;</code> &amp; c"


def test_a_value_that_the_page_needs_is_missing() -> None:
    with pytest.raises(Exception, match="undefined"):
        render({})


def test_a_score_that_does_not_exist_is_no_zero(tmp_path: Path) -> None:
    write_report(tmp_path, make_evaluated(make_records([[]]), [[]], scores={"AP": -1.0}))
    assert "<title>run: AP –</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
