"""The page of a training: its table, the choice of evaluations, escaping, its size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="Jinja2 is an extra: pip install .[report]")
pytest.importorskip("matplotlib", reason="matplotlib is an extra: pip install .[report]")

from ppdet.report.followed import IMAGES, Follow, choose
from ppdet.report.training_page import State, chosen_epochs, write_training_page
from ppdet.report.training_plots import draw_training, thinned
from tests.support.evaluated import make_records
from tests.support.html_page import Page
from tests.support.training_page import BIG, EVIL, line, make_training


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    folder = tmp_path_factory.mktemp("training")
    write_training_page(folder / "report.html", make_training(folder))
    return Page(folder / "report.html")


def test_names_are_never_markup(page: Page) -> None:
    assert not [tag for tag, attributes in page.elements if "onerror" in attributes]
    assert page.count("script") == 1
    assert EVIL in page.text
    assert page.tables["epochs"][0][0] == "epoch"


def test_it_is_one_file(page: Page) -> None:
    assert not [value for value in page.values("src") if not value.startswith("data:")]
    assert not [value for value in page.values("href") if "://" in value]


def test_the_table_has_all_epochs(page: Page) -> None:
    heading, *rows = page.tables["epochs"]
    assert heading == ["epoch", "AP", "APs", "learning rate", "loss"]
    assert rows == [
        ["3", "10.0", "–", "0.01", "1.5000"],
        ["2", "25.0", "–", "0.01", "1.5000"],
        ["1", "10.0", "–", "0.01", "1.5000"],
    ]
    assert [values["class"] for tag, values in page.elements if tag == "tr" and "class" in values] == ["best"]


def test_the_pictures_of_each_evaluation(page: Page) -> None:
    titles = [text for text in page.headings if text.startswith("Epoch ")]
    assert titles == ["Epoch 3: AP 10.0", "Epoch 2: AP 25.0, the best", "Epoch 1: AP 10.0"]
    images = [values["alt"] for tag, values in page.elements if tag == "img"]
    assert len(images) == 9
    assert sum(each == EVIL + " 0.90, a b.png" for each in images) == 3
    assert sum("nothing found" in each for each in images) == 6


def test_only_a_page_of_a_running_training_is_loaded_again(tmp_path: Path) -> None:
    training = make_training(tmp_path)
    for running in (True, False):
        state = State("finished", "", running, "2026-01-02T03:04:05")
        write_training_page(tmp_path / "report.html", replace(training, state=state))
        page = Page(tmp_path / "report.html")
        assert [each["content"] for _, each in page.elements if each.get("http-equiv") == "refresh"] == ["30"] * running
        assert page.values("data-running") == [str(int(running))]


def test_before_the_first_step(tmp_path: Path) -> None:
    empty = make_training(tmp_path, 0, score="", follow=None)
    write_training_page(tmp_path / "report.html", empty)
    page = Page(tmp_path / "report.html")
    assert page.count("table") == 1
    assert {"charts", "pictures", "epochs"} & set(page.values("id")) == set()


def test_its_size_is_bounded(tmp_path: Path) -> None:
    """300 epochs of 100 log lines each, 80 classes, evaluated each time, with images that compress badly."""
    names = [f"a class name of some length {index}" for index in range(80)]
    records = make_records(
        [[[index % 80, *BIG]] for index in range(IMAGES)], tmp_path, [f"{i}.png" for i in range(IMAGES)]
    )
    follow = Follow(tmp_path / "boxes.jsonl", records, names)
    scores = {
        name: 0.12345
        for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
    }
    rows, lines, evaluations = [], [], []
    for epoch in range(1, 301):
        lines += [line(epoch, step) for step in range(1, 101)]
        evaluations.append({"kind": "eval", "epoch": epoch, **scores})
        rows.append({**lines[-1], "kind": 0, **scores})
        follow.add(epoch, [(im_id, np.array([[1, 0.9, *BIG]] * 100)) for im_id in range(IMAGES)])
    sheets = [tmp_path / f"{index}.png" for index in range(3)]
    training = make_training(
        tmp_path, lines=lines, evaluations=evaluations, rows=rows, follow=follow, sheets=sheets, steps=100
    )
    write_training_page(tmp_path / "report.html", training)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000
    assert (tmp_path / "boxes.jsonl").stat().st_size < 5_000_000


# ---- its parts ----


@pytest.mark.parametrize(
    ("count", "best", "expected"),
    [
        (0, 0, []),
        (3, 2, [3, 2, 1]),
        (6, 6, [6, 5, 4, 3, 2, 1]),
        (9, 8, [9, 8, 7, 5, 3, 1]),
        (301, 300, [301, 300, 226, 151, 76, 1]),
        (301, 999, [301, 226, 151, 76, 1]),
    ],
)
def test_the_first_the_last_and_the_best_evaluation_are_shown(count: int, best: int, expected: list[int]) -> None:
    assert chosen_epochs(range(1, count + 1), best) == expected


def test_images_with_boxes_are_chosen_first_and_by_the_seed() -> None:
    records = make_records([[[0, *BIG]] * (index % 2) for index in range(40)])
    chosen = choose(records, 3)
    assert len(chosen) == IMAGES
    assert all(record.im_id % 2 for record in chosen)
    assert [record.im_id for record in choose(records, 3)] == [record.im_id for record in chosen]
    assert [record.im_id for record in choose(records, 4)] != [record.im_id for record in chosen]
    assert len(choose(make_records([[], [[0, *BIG]]]), 0)) == 2


def test_detections_are_kept(tmp_path: Path) -> None:
    """The strong ones, the most confident first. An epoch that is done again replaces its detections."""
    records = make_records([[], []])
    follow = Follow(tmp_path / "boxes.jsonl", records[:1], ["a", "b"])
    rows = np.array([[1, 0.31, 1, 2, 3, 4.00049], [0, 0.29, 1, 2, 3, 4], [0, 0.9, 5, 6, 7, 8]])
    follow.add(1, [(0, rows[:2]), (1, rows)])
    follow.add(2, [(0, rows), (1, rows)])
    follow.add(1, [(0, rows[:1])])
    with (tmp_path / "boxes.jsonl").open("a") as file:
        file.write('{"epoch": 3, "fou')
    again = Follow(tmp_path / "boxes.jsonl", records, ["a", "b"])
    again.read()
    strong = [1, 0.31, 1.0, 2.0, 3.0, 4.0]
    assert again.found == {1: {"/none/0.png": [strong]}, 2: {"/none/0.png": [[0, 0.9, 5.0, 6.0, 7.0, 8.0], strong]}}
    captions = [picture.caption for picture in again.pictures(again.found[2])]
    assert captions == ["a 0.90, b 0.31", "nothing found"]


def test_curves_of_many_points_are_means() -> None:
    x, y = thinned(np.arange(1000.0), np.arange(1000.0) % 2)
    assert len(x) == 200
    assert x[:2].tolist() == [2, 7]
    assert set(y.tolist()) == {0.4, 0.6}
    x, y = thinned(np.arange(5.0), np.arange(5.0), 2)
    assert (x.tolist(), y.tolist()) == ([1, 3.5], [1, 3.5])


def test_the_charts() -> None:
    evaluations = [{"epoch": 1, "AP": 0.1, "AP50": 0.2, "APs": -1.0, "APl": 0.3}]
    assert len(draw_training([line(1, 5)], evaluations, 10)) == 6
    assert len(draw_training([line(1, 5)], [{"epoch": 1, "mAP": 0.1}], 10)) == 5
    charts = draw_training([], evaluations, 10)
    assert len(charts) == 2
    assert "AP50" in charts[0]
    assert "APs" not in charts[1]
    assert draw_training([], [], 10) == []
