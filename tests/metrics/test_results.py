from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.metrics.results import load_results, save_results

CATEGORIES = [SimpleNamespace(id=11, name="stop"), SimpleNamespace(id=3, name="yield")]
ROWS = np.array([[1, 0.5, 10, 20, 40, 60], [0, 0.25, -1, 2, 3, 4.5]], np.float32)


def test_layout_is_cocos(tmp_path):
    assert save_results(tmp_path / "bbox.json", [(8, ROWS[:1])], CATEGORIES) == 1
    entry = {"image_id": 8, "category_id": 3, "bbox": [10.0, 20.0, 30.0, 40.0], "score": 0.5}
    assert json.loads((tmp_path / "bbox.json").read_text()) == [entry]
    save_results(tmp_path / "bbox.json", [(8, ROWS[:1])], CATEGORIES, {8: "street.jpg"})
    assert json.loads((tmp_path / "bbox.json").read_text()) == [{**entry, "file_name": "street.jpg"}]


def test_what_is_saved_loads_again(tmp_path):
    save_results(tmp_path / "bbox.json", [(8, ROWS), (5, ROWS[:0])], CATEGORIES)
    ((im_id, rows),) = load_results(tmp_path / "bbox.json", CATEGORIES)  # images without boxes leave no trace
    assert im_id == 8
    np.testing.assert_allclose(rows, ROWS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("[{", "not a COCO results file"),
        ("[1, 2]", "not a COCO results file"),
        ('[{"image_id": 1, "category_id": 99, "bbox": [1, 2, 3, 4], "score": 1}]', "unknown 99"),
        ('[{"image_id": 1, "category_id": 11, "bbox": [1, 2, 3], "score": 1}]', "not a COCO results file"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "bbox.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        load_results(path, CATEGORIES)
    assert str(error.value).startswith(str(path))
