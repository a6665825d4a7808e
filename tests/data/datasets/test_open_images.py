"""Open Images' tables: names of classes, groups, and broken ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import OpenImagesDataSet
from tests.support.csv_files import OPEN_IMAGES_HEADER


def write(root: Path, *rows: str, header: str = OPEN_IMAGES_HEADER) -> OpenImagesDataSet:
    """A data set of one image of 200 x 100, a1.jpg."""
    assert cv2.imwrite(str(root / "a1.jpg"), np.zeros((100, 200, 3), np.uint8))
    (root / "boxes.csv").write_text("\n".join([header, *rows]))
    return OpenImagesDataSet(str(root), anno_path="boxes.csv")


def row(box: str = "0.05,0.15,0.2,0.5", name: str = "/m/01", group: int = 0) -> str:
    """A row with XMin, XMax, YMin, YMax."""
    return f"a1,xclick,{name},1,{box},0,0,{group},0,0"


def test_boxes_and_names(tmp_path: Path) -> None:
    dataset = write(tmp_path, row(), row(name="/m/02"))
    assert [category.name for category in dataset.load().categories] == ["/m/01", "/m/02"]
    (record,) = dataset.records
    assert record.gt_bbox.tolist() == [[10, 20, 30, 50]] * 2
    assert record.size == (100, 200)
    (tmp_path / "oidv7-class-descriptions-boxable.csv").write_text(
        'LabelName,DisplayName\n/m/02,Cat\n/m/01,"Dog, big"\n'
    )
    assert [category.name for category in dataset.load().categories] == ["Cat", "Dog, big"]
    assert dataset.records[0].gt_class.ravel().tolist() == [1, 0]


def test_groups_are_regions_to_ignore(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    dataset = write(tmp_path, row(), row("0.5,0.9,0.1,0.6", group=1)).load()
    assert dataset.records[0].gt_bbox.tolist() == [[10, 20, 30, 50]]
    assert dataset.truth is not None
    np.testing.assert_allclose(dataset.truth.boxes, [[10, 20, 20, 30], [100, 10, 80, 50]])
    np.testing.assert_allclose(dataset.truth.areas, [600, 4000])
    assert dataset.truth.crowd.tolist() == [False, True]
    assert dataset.truth.class_index.tolist() == [0, 0]
    assert list(dataset.image_ids) == [0]
    assert "left out 1 of 2 annotations because of IsGroupOf: 1" in caplog.text


def test_an_image_that_cannot_be_read_has_no_boxes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = write(tmp_path, row())
    (tmp_path / "a1.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"no image has a box \(dropped 1 boxes: 1 of an image that cannot be read"):
        dataset.load()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row("x,0.15,0.2,0.5"), r"boxes\.csv: line 2: XMin: found 'x'; expected a number; correct it"),
        (row() + ",0", r"boxes\.csv: line 2: found 14 columns; expected 13; correct it"),
        (row(name=""), r"boxes\.csv: line 2: an object has no name"),
    ],
)
def test_a_broken_row_is_named(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        write(tmp_path, line).load()


def test_a_table_without_a_column(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"boxes\.csv: has no column 'IsGroupOf'; expected the columns ImageID, LabelName"
    ):
        write(tmp_path, row(), header=OPEN_IMAGES_HEADER.replace("IsGroupOf", "Group")).load()
