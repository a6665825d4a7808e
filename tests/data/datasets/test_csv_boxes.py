"""Plain tables of boxes: headers, delimiters, encodings, and broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import AutoDataset, CSVDataSet

ROW = "a.png,10,20,30.5,50,cat"


def write(root: Path, text: str, encoding: str = "utf-8") -> CSVDataSet:
    (root / "images").mkdir(exist_ok=True)
    (root / "images" / "a.png").touch()
    (root / "boxes.csv").write_bytes(text.encode(encoding))
    return CSVDataSet(str(root), anno_path="boxes.csv")


def boxes(dataset: Any) -> list[Any]:
    (record,) = dataset.load().records
    assert record.im_file == f"{dataset.root}/images/a.png"
    return [category.name for category in dataset.categories] + record.gt_bbox.tolist()


@pytest.mark.parametrize(
    "text",
    [
        ROW,
        f"\n{ROW}\r\n\r\n",
        f"path,x1,y1,x2,y2,class\n{ROW}",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,200,100,cat,10,20,30.5,50\n",
        ROW.replace(",", ";"),
        ROW.replace(",", "\t"),
        'a.png, 10 ,20,3.05e1,50,"cat"',
        f"images\\{ROW}",
    ],
)
def test_tables(text: str, tmp_path: Path) -> None:
    assert boxes(write(tmp_path, text)) == ["cat", [10, 20, 30.5, 50]]
    assert boxes(AutoDataset(str(tmp_path))) == ["cat", [10, 20, 30.5, 50]]


@pytest.mark.parametrize(("encoding", "name"), [("utf-8-sig", "红"), ("utf-16", "红"), ("gbk", "红"), ("latin-1", "ö")])
def test_encodings(encoding: str, name: str, tmp_path: Path) -> None:
    dataset = write(tmp_path, ROW.replace("cat", name), encoding)
    if encoding.startswith("utf"):
        assert boxes(dataset)[0] == name
    else:
        with pytest.raises(UserError, match=r"boxes\.csv: not text in UTF-8; save it as UTF-8"):
            dataset.load()


def test_classes_that_are_numbers_are_sorted_by_size(tmp_path: Path) -> None:
    dataset = write(tmp_path, "\n".join(ROW.replace("cat", name) for name in ("10", "9", "2"))).load()
    assert [category.name for category in dataset.categories] == ["2", "9", "10"]


def test_bad_boxes_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [ROW, "a.png,nan,20,30,50,cat", "a.png,1e99,20,30,50,cat", "a.png,30,20,10,50,cat"]
    assert boxes(write(tmp_path, "\n".join(rows))) == ["cat", [10, 20, 30.5, 50]]
    assert "dropped 3 boxes: 2 with a coordinate that is not a number" in caplog.text


def test_fractions_are_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "a.png,0.1,0.2,0.3,0.5,cat").load()
    assert "looks like fractions of the image's size; expected pixels" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png,10,20,x,50,cat", r"boxes\.csv: line 1: x2: found 'x'; expected a number; correct it"),
        (f"{ROW}\n\na.png,10,20,30,50", r"boxes\.csv: line 3: found 5 columns; expected 6; correct it"),
        ("a.png,10,20,30,50,", r"line 1: an object has no name"),
        (
            "path,x1,y1,x2,class\na.png,1,2,3,cat",
            r"has no column 'y2'; expected the columns path, x1, y1",
        ),
        ("", r"boxes\.csv: lists no images"),
        ("path,x1,y1,x2,y2,class\n", r"boxes\.csv: lists no images"),
    ],
)
def test_a_broken_table_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        write(tmp_path, text).load()
    assert "\n" not in str(error.value)
