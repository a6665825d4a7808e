from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.metrics.results import load_results, save_results

IMAGE_IDS = [3, "b-1", 8]  # im_id 1 is "b-1"
CATEGORIES = [SimpleNamespace(id=11, name="stop"), SimpleNamespace(id=3, name="yield")]
ROWS = np.array([[1, 0.5, 10, 20, 40, 60], [0, 0.25, -1, 2, 3, 4.5]], np.float32)


def entry(**changes) -> str:
    return json.dumps([{"image_id": 3, "category_id": 11, "bbox": [1, 2, 3, 4], "score": 0.5} | changes])


def test_layout_is_cocos(tmp_path):
    assert save_results(tmp_path / "bbox.json", [(2, ROWS[:1])], CATEGORIES, IMAGE_IDS) == 1
    entry = {"image_id": 8, "category_id": 3, "bbox": [10.0, 20.0, 30.0, 40.0], "score": 0.5}
    assert json.loads((tmp_path / "bbox.json").read_text()) == [entry]
    save_results(tmp_path / "bbox.json", [(2, ROWS[:1])], CATEGORIES, IMAGE_IDS, {2: "street.jpg"})
    assert json.loads((tmp_path / "bbox.json").read_text()) == [{**entry, "file_name": "street.jpg"}]


def test_what_is_saved_loads_again(tmp_path):
    save_results(tmp_path / "bbox.json", [(1, ROWS), (0, ROWS[:0])], CATEGORIES, IMAGE_IDS)
    assert json.loads((tmp_path / "bbox.json").read_text())[0]["image_id"] == "b-1"
    ((im_id, rows),) = load_results(tmp_path / "bbox.json", CATEGORIES, IMAGE_IDS)  # no trace of images without boxes
    assert im_id == 1
    np.testing.assert_allclose(rows, ROWS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("[{", "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "not a COCO results file"),
        ("[1, 2]", r"\[0\]: found 1; expected an object"),
        (entry(category_id=99), r"\[0\]\.category_id: found 99; expected an id of the dataset"),
        (entry(image_id=9), r"\[0\]\.image_id: found 9; expected an id of the dataset"),
        (entry(image_id=None), r"\[0\]\.image_id: found None; expected a number or a text"),
        (entry(bbox=[1, 2, 3]), r"\[0\]\.bbox: found \[1, 2, 3\]; expected 4 finite numbers.*COCO results file"),
        (entry(bbox=[1, 2, 3, 10**400]), r"\[0\]\.bbox: found .* expected 4 finite numbers"),
        (entry(score=float("nan")), r"\[0\]\.score: found nan; expected a finite number"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "bbox.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        load_results(path, CATEGORIES, IMAGE_IDS)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_other_tools_write_ids_as_text_and_files_with_a_mark(tmp_path, mark):
    path = tmp_path / "bbox.json"
    path.write_text(entry(image_id="8", category_id="3"), encoding=mark)
    ((im_id, rows),) = load_results(path, CATEGORIES, IMAGE_IDS)
    assert im_id == 2
    np.testing.assert_array_equal(rows, [[1, 0.5, 1, 2, 4, 6]])
