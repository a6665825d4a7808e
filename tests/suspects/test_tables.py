"""The findings in files."""

from __future__ import annotations

import json
from pathlib import Path

from pycocotools.coco import COCO

from ppdet.data.datasets import Category
from ppdet.data_edit.parts import Object, Picture
from ppdet.suspects.findings import Finding
from ppdet.suspects.tables import write_coco, write_csv

STOP, YIELD = Category(7, "stop"), Category("y", "yield, or not")
PICTURE = Picture("/data/a.jpg", "a.jpg", (60, 80), {}, [])
LABEL = Object(1, [10, 20.5, 30, 20], False, False, {"id": 5})
FINDINGS = [
    Finding("mislabeled", 0.98765, PICTURE, 31, LABEL, YIELD, (11.001, 20, 40, 40.126), STOP),
    Finding("missing", 0.5, PICTURE, 31, None, None, (1, 2, 3, 4), YIELD),
    Finding("spurious", 0.25, PICTURE, 31, LABEL, YIELD, None, None),
]


def test_csv(tmp_path: Path) -> None:
    write_csv(tmp_path / "suspects.csv", FINDINGS)
    assert (tmp_path / "suspects.csv").read_text().splitlines() == [
        "rank,kind,sure,file,image_id,annotation_id,labeled_class,suggested_class,"
        "x1,y1,x2,y2,suggested_x1,suggested_y1,suggested_x2,suggested_y2",
        '1,mislabeled,0.9877,a.jpg,31,5,"yield, or not",stop,10.00,20.50,40.00,40.50,11.00,20.00,40.00,40.13',
        '2,missing,0.5000,a.jpg,31,,,"yield, or not",,,,,1.00,2.00,3.00,4.00',
        '3,spurious,0.2500,a.jpg,31,5,"yield, or not",,10.00,20.50,40.00,40.50,,,,',
    ]


def test_coco(tmp_path: Path) -> None:
    write_coco(tmp_path / "suspects.json", FINDINGS, [STOP, YIELD])
    content = json.loads((tmp_path / "suspects.json").read_text())
    assert content["images"] == [{"id": 31, "file_name": "a.jpg", "width": 80, "height": 60}]
    assert content["categories"] == [{"id": 7, "name": "stop"}, {"id": "y", "name": "yield, or not"}]
    same = {"image_id": 31, "iscrowd": 0, "segmentation": []}
    assert content["annotations"] == [
        {
            **{"id": 1, "category_id": 7, "bbox": [11.0, 20, 29.0, 20.13], "area": 583.77, **same},
            **{"score": 0.9877, "kind": "mislabeled", "label_id": 5},
        },
        {
            **{"id": 2, "category_id": "y", "bbox": [1, 2, 2, 2], "area": 4, **same},
            **{"score": 0.5, "kind": "missing", "label_id": None},
        },
        {
            **{"id": 3, "category_id": "y", "bbox": [10, 20.5, 30, 20], "area": 600, **same},
            **{"score": 0.25, "kind": "spurious", "label_id": 5},
        },
    ]


def test_coco_file_is_read_by_pycocotools(tmp_path: Path) -> None:
    write_coco(tmp_path / "suspects.json", FINDINGS[:1], [STOP])
    known = COCO(str(tmp_path / "suspects.json"))
    assert known.loadAnns(known.getAnnIds(imgIds=[31], catIds=[7]))[0]["bbox"] == [11.0, 20, 29.0, 20.13]
