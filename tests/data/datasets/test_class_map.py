"""Datasets whose classes are those of another list."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ppdet.data.datasets import AutoDataset, Category, ClassMap, COCODataSet, Dataset, GroundTruth
from ppdet.data.datasets.box_filter import make_record
from ppdet.data.structures import Record

CONTENT = {
    "categories": [{"id": 4, "name": "a"}, {"id": 7, "name": "x"}, {"id": 9, "name": "b"}],
    "images": [{"id": number, "file_name": f"{number}.jpg", "height": 50, "width": 80} for number in (1, 2, 3)],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 4, "bbox": [1, 2, 30, 10], "area": 250},
        {"id": 2, "image_id": 1, "category_id": 7, "bbox": [2, 2, 30, 10], "area": 260},
        {"id": 3, "image_id": 1, "category_id": 9, "bbox": [3, 2, 30, 10], "area": 270},
        {"id": 4, "image_id": 2, "category_id": 7, "bbox": [4, 2, 30, 10], "area": 280},
        {"id": 5, "image_id": 3, "category_id": 9, "bbox": [5, 2, 30, 10], "area": 290, "iscrowd": 1},
        {"id": 6, "image_id": 3, "category_id": 4, "bbox": [6, 2, 30, 10], "area": 300},
    ],
}
OTHER = [Category(9, "b"), Category(10, "c"), Category(4, "a")]


def mapped(
    categories: list[Category], records: list[Record], truth: GroundTruth | None
) -> tuple[list[Category], list[Record], GroundTruth | None]:
    assert [category.name for category in categories] == ["a", "x", "b"]
    classes = ClassMap(OTHER, [2, None, 0])
    return classes.categories, classes.records(records), classes.truth(truth)


def in_order(folder: Path) -> Dataset:
    """The same, from a file that lists OTHER and no objects of class x."""
    categories = [{"id": category.id, "name": category.name} for category in OTHER]
    kept = [each for each in CONTENT["annotations"] if each["category_id"] != 7]
    (folder / "other.json").write_text(json.dumps(CONTENT | {"categories": categories, "annotations": kept}))
    return COCODataSet(str(folder), anno_path="other.json").load()


@pytest.mark.parametrize("cls", [COCODataSet, AutoDataset])
def test_records_and_truth_are_those_of_a_file_in_that_order(cls: type, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.json").write_text(json.dumps(CONTENT))
    dataset = cls(dataset_dir=str(folder), **({} if cls is AutoDataset else {"anno_path": "train.json"}))
    dataset.reclass = mapped
    dataset.load()
    expected = in_order(tmp_path)
    assert dataset.categories == expected.categories == OTHER
    assert [record.im_id for record in dataset.records] == [0, 2]  # the second image has objects of class x only
    for found, right in zip(dataset.records, expected.records, strict=True):
        for name in ("gt_bbox", "gt_class", "difficult"):
            ours, theirs = getattr(found, name), getattr(right, name)
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    assert dataset.truth is not None
    assert expected.truth is not None
    assert list(dataset.truth.image_ids) == [1, 2, 3]
    for name in ("im_id", "class_index", "boxes", "areas", "crowd"):
        np.testing.assert_array_equal(getattr(dataset.truth, name), getattr(expected.truth, name))
    assert dataset.truth.class_index.tolist() == [2, 0, 0, 2]
    assert dataset.truth.crowd.tolist() == [False, False, True, False]


def test_scores_stay_with_their_boxes() -> None:
    record = make_record(Path("a.jpg"), 0, objects=[(0, [0, 0, 9, 9], 0), (1, [1, 1, 9, 9], 0), (2, [2, 2, 9, 9], 0)])
    scored = replace(record, gt_score=np.float32([[0.5], [0.75], [1]]))
    plain, found = ClassMap(OTHER, [2, None, 0]).records([record, scored])
    assert plain.gt_score is None
    assert found.gt_score is not None
    assert found.gt_score.tolist() == [[0.5], [1]]


def test_no_truth() -> None:
    assert ClassMap(OTHER, [2, None, 0]).truth(None) is None
