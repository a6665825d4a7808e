"""YOLO data sets: what data.yaml may say, what label files may hold, and broken ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, ImageFolder, VOCDataSet, YOLODataSet, check_num_classes
from tests.support.datasets import CLASSES, noise_scenes, write_coco
from tests.support.same_records import assert_same_records
from tests.support.yolo_files import label, write_yolo

NAMES = "names: [red, green, blue]\n"


def small(root: Path, text: str = "1 0.5 0.25 0.1 0.3\n", yaml: str = f"train: images\n{NAMES}") -> YOLODataSet:
    """A data set of one image of 200 x 100, a.png."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(exist_ok=True)
    assert cv2.imwrite(str(root / "images" / "a.png"), np.zeros((100, 200, 3), np.uint8))
    (root / "labels" / "a.txt").write_text(text)
    (root / "data.yaml").write_text(yaml, encoding="utf-8")
    return YOLODataSet(str(root))


def boxes(dataset: YOLODataSet) -> list[Any]:
    (record,) = dataset.load().records
    return [record.gt_class.ravel().tolist(), record.gt_bbox.tolist()]


@pytest.mark.parametrize("allow_empty", [False, True])
def test_the_same_records_as_from_coco(allow_empty: bool, tmp_path: Path) -> None:
    write_yolo(tmp_path / "yolo", noise_scenes(6))
    write_coco(tmp_path / "boxes.json", tmp_path / "images", noise_scenes(6))
    coco = COCODataSet(str(tmp_path), "images", "boxes.json", allow_empty=allow_empty).load()
    found = YOLODataSet(str(tmp_path / "yolo"), allow_empty=allow_empty).load()
    assert len(found) == 5 + allow_empty
    assert_same_records(found, coco, 1e-3)
    assert list(found.image_ids) == list(range(len(found)))


def test_one_label(tmp_path: Path) -> None:
    dataset = small(tmp_path)
    assert boxes(dataset) == [[1], [[90, 10, 110, 40]]]
    assert dataset.records[0].size == (100, 200)
    assert [(category.id, category.name) for category in dataset.peek_categories()] == list(enumerate(CLASSES))


@pytest.mark.parametrize(
    "entry",
    [
        "images",
        "./images",
        "../images",
        "images/",
        "images/*.png",
        "'**/*.png'",
        "[images]",
        "list.txt",
        "images/a.png",
        "[list.txt, images]",
        "images\\",
    ],
)
def test_the_ways_to_name_images(entry: str, tmp_path: Path) -> None:
    dataset = small(tmp_path, yaml=f"train: {entry}\n{NAMES}")
    (tmp_path / "list.txt").write_text("./images/a.png\n\n")
    assert boxes(dataset) == [[1], [[90, 10, 110, 40]]]


@pytest.mark.parametrize("kind", ["relative", "absolute", "elsewhere", "from here"])
def test_path(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "set")
    at = {"relative": "../set", "absolute": tmp_path / "set", "elsewhere": "/no/such/folder", "from here": "set"}[kind]
    (tmp_path / "yaml").mkdir()
    place = tmp_path / ("set" if kind == "elsewhere" else "yaml")
    (place / "data.yaml").write_text(f"path: {at}\ntrain: images\n{NAMES}")
    assert boxes(YOLODataSet(str(place))) == [[1], [[90, 10, 110, 40]]]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[cat, dog]", ["cat", "dog"]),
        ("{0: cat, 1: dog}", ["cat", "dog"]),
        ("{1: dog, 0: cat}", ["cat", "dog"]),
        ("[yes, 007]", ["yes", "007"]),
        ("[红色, cafe\u0301]", ["红色", "caf\u00e9"]),
    ],
)
def test_names(names: str, expected: list[str], tmp_path: Path) -> None:
    dataset = small(tmp_path, yaml=f"train: images\nnc: 2\nnames: {names}\n")
    assert [category.name for category in dataset.load().categories] == expected
    with pytest.raises(UserError, match=r"num_classes: the config says 80 but .*data\.yaml has 2 classes; set num_cla"):
        check_num_classes(dataset, 80)
    folder = ImageFolder(str(tmp_path), anno_path="data.yaml").with_images(["x.jpg"]).load()
    assert [category.name for category in folder.categories] == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_with_a_mark(encoding: str, tmp_path: Path) -> None:
    dataset = small(tmp_path)
    (tmp_path / "data.yaml").write_text("train: images\nnames: [红, 绿]", encoding=encoding)
    (tmp_path / "labels" / "a.txt").write_text("1 0.5 0.25 0.1 0.3\r\n", encoding=encoding)
    assert boxes(dataset) == [[1], [[90, 10, 110, 40]]]
    assert [category.name for category in dataset.categories] == ["红", "绿"]


@pytest.mark.parametrize(("encoding", "name"), [("latin-1", "köter"), ("gbk", "红色")])
def test_other_encodings_are_refused(encoding: str, name: str, tmp_path: Path) -> None:
    dataset = small(tmp_path)
    (tmp_path / "data.yaml").write_bytes(f"train: images\nnames: [{name}]".encode(encoding))
    with pytest.raises(UserError, match=r"data\.yaml: not text in UTF-8; save it as UTF-8$"):
        dataset.load()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0.1 0.1 0.3 0.1 0.2 0.5", [20, 10, 60, 50]),  # three corners
        ("0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5", [20, 10, 60, 50]),  # four, as of an oriented box
        ("0 0.2 0.3 0.2 0.4", [20, 10, 60, 50]),
        ("0.0 2e-1 .3 0.2 0.4", [20, 10, 60, 50]),
    ],
)
def test_outlines_become_boxes(text: str, expected: list[float], tmp_path: Path) -> None:
    dataset = small(tmp_path, f"{text}\n\n 2 0.5 0.25 0.1 0.3 \n")
    classes, found = boxes(dataset)
    assert classes == [0, 2]
    np.testing.assert_allclose(found, [expected, [90, 10, 110, 40]], atol=1e-3)


@pytest.mark.parametrize("text", ["1 0.5 0.25 0.1 0.3 0.87", "1 0.45 0.1 0.55 0.1 0.5 0.4 0.87"])
def test_a_score_is_ignored_with_one_notice(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert boxes(small(tmp_path, f"{text}\n{text[:-4]}0.5\n")) == [[1, 1], [[90, 10, 110, 40]] * 2]
    messages = [record.getMessage() for record in caplog.records if " score" in record.getMessage()]
    assert messages == [
        f"{tmp_path}/data.yaml: labels end with a score (e.g. in {tmp_path}/labels/a.txt), which is ignored"
    ]


def test_keypoints_are_ignored(tmp_path: Path) -> None:
    yaml = f"train: images\nkpt_shape: [2, 3]\n{NAMES}"
    assert boxes(small(tmp_path, "1 0.5 0.25 0.1 0.3 0 0 2 1 1 0\n", yaml)) == [[1], [[90, 10, 110, 40]]]


def test_bad_boxes_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["1 0.5 0.25 0.1 0.3", "1 nan 0.2 0.1 0.1", "1 inf 0.2 0.1 0.1", "1 0.5 0.5 -0.1 0.2", "0 0.5 0.5 0 0.2"]
    assert boxes(small(tmp_path, "\n".join(lines))) == [[1], [[90, 10, 110, 40]]]
    assert "dropped 4 boxes: 2 with a coordinate that is not a number" in caplog.text
    assert "2 without width or height (e.g. a.png)" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3 0.5 0.5 0.1 0.1", r"labels/a\.txt: label 1: found the class 3; expected a class index from 0 to 2"),
        ("-1 0.5 0.5 0.1 0.1", r"label 1: found the class -1; expected"),
        ("nan 0.5 0.5 0.1 0.1", r"label 1: found the class nan; expected"),
        ("0.5 0.5 0.5 0.1 0.1", r"label 1: found the class 0\.5; expected"),
        ("0 0.5 0.5 0.1 0.1\n\n1 0.5 0.5 0.1", r"label 2: found 4 columns; expected class x y w h, or class and"),
        ("0 0.5 0.5 0.1 0.1 7", r"label 1: found 6 columns, the last one 7; expected class x y w h"),
        ("0 .1 .1 .2 .2 .3 .3 9", r"label 1: found 8 columns, the last one 9; expected"),
        ("0 0.5 0.5 0.1 0.1 nan", r"label 1: found 6 columns, the last one nan; expected"),
        ("1", r"label 1: found 1 columns; expected"),
        ("red 0.5 0.5 0.1 0.1", r"label 1: found 'red'; expected class x y w h"),
        ("0 0.5 0.5 0.1 0.1\n0 0,5 0.5 0.1 0.1", r"label 2: found '0,5'; expected class x y w h"),
        ("0 120 50 40 60", r"label 1: reaches from and to 100, 20, 140, 80; expected fractions of the image's size"),
    ],
)
def test_a_bad_label_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        small(tmp_path, text).load()
    assert str(error.value).startswith(f"{tmp_path}/labels/a.txt: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("train: images\n", r"data\.yaml: has no key 'names', the class names; expected the keys names, train and val"),
        (f"val: images\n{NAMES}", r"data\.yaml: has no key 'train' \(splits: val\); expected"),
        (f"train:\n{NAMES}", r"data\.yaml: has no key 'train' \(splits: all\); expected"),
        ("train: images\nnames: {0: a, 2: b}", r"names: found the keys 0, 2; expected 0 to 1, each once"),
        ("train: images\nnames: []", r"names: expected a list of class names"),
        ("train: images\nnames: [[a], b]", r"names: expected a list of class names"),
        ("train: images\nnames: [a, b, a]", r"lists the class 'a' twice"),
        ('train: images\nnames: ["a\\eb"]', r"the class name 'a\\x1bb' holds control characters"),
        (f"train: images\nnc: 2\n{NAMES}", r"nc: found 2, but names has 3 classes; correct one of them"),
        (f"train: [[images]]\n{NAMES}", r"train: expected a folder, a list file or a glob"),
        (f"train: photos\n{NAMES}", r"train: .*/photos does not exist; expected a folder of images"),
        (f"train: labels\n{NAMES}", r"train: labels holds no images \(\.jpg"),
        (f"train: images\npath: [a]\n{NAMES}", r"path: expected the data set's folder"),
        ("train: [images\n", r"data\.yaml: not valid YAML"),
        ("names: &a [*a]\n", r"data\.yaml: not valid YAML"),
        ("- images\n", r"data\.yaml: found no mapping"),
        ("", r"data\.yaml: found no mapping|not valid YAML"),
    ],
)
def test_a_bad_yaml_is_named(yaml: str, message: str, tmp_path: Path) -> None:
    dataset = small(tmp_path, yaml=yaml)
    with pytest.raises(UserError, match=message) as error:
        dataset.load()
    assert str(error.value).startswith(f"{tmp_path}/data.yaml: ")
    assert "\n" not in str(error.value)


def test_a_yaml_that_names_no_split(tmp_path: Path) -> None:
    small(tmp_path, yaml=f"nc: 3\n{NAMES}")
    assert [part.name for part in YOLODataSet.parts(tmp_path)] == ["all"]
    assert boxes(YOLODataSet(str(tmp_path), split="all")) == [[1], [[90, 10, 110, 40]]]
    for folder, name in (("images", "a.png"), ("labels", "a.txt")):
        (tmp_path / folder / "train").mkdir()
        (tmp_path / folder / name).rename(tmp_path / folder / "train" / name)
    assert [part.name for part in YOLODataSet.parts(tmp_path)] == ["train"]
    assert boxes(YOLODataSet(str(tmp_path))) == [[1], [[90, 10, 110, 40]]]


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.yaml: there is no such file \(data\.yaml of Ultralytics\)"):
        YOLODataSet(str(tmp_path)).load()
    with pytest.raises(UserError, match=r"nowhere: there is no such folder"):
        YOLODataSet(str(tmp_path / "nowhere")).load()
    dataset = small(tmp_path)
    (tmp_path / "labels" / "a.txt").unlink()
    with pytest.raises(UserError, match=r"none of the 1 images of 'train' has labels; expected .*/labels/a\.txt"):
        dataset.load()
    (tmp_path / "images" / "a.txt").write_text("1 0.5 0.25 0.1 0.3\n")  # beside the image
    assert boxes(dataset) == [[1], [[90, 10, 110, 40]]]


def test_an_image_that_cannot_be_read_has_no_boxes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = small(tmp_path)
    (tmp_path / "images" / "b.jpg").write_bytes(b"no image")
    (tmp_path / "labels" / "b.txt").write_text("1 0.5 0.25 0.1 0.3\n")
    assert boxes(dataset) == [[1], [[90, 10, 110, 40]]]
    assert f"1 of an image that cannot be read (e.g. {tmp_path}/images/b.jpg)" in caplog.text


def test_a_folder_of_images_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images are not passed over."""
    dataset, list_folder = small(tmp_path), os.scandir
    (tmp_path / "images" / "locked").mkdir()

    def scandir(path: str) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="locked"):
        dataset.load()


def test_bccd_as_yolo(shared: Path, tmp_path: Path) -> None:
    voc = VOCDataSet(str(shared / "data" / "bccd"), anno_path="ImageSets/Main/val.txt").load()
    (tmp_path / "labels").mkdir()
    for record in voc.records:
        assert record.size is not None
        height, width = record.size
        pairs = zip(record.gt_bbox.tolist(), record.gt_class.ravel().tolist(), strict=True)
        lines = [label(tuple(box), index, width, height) for box, index in pairs]
        (tmp_path / "labels" / f"{Path(record.im_file).stem}.txt").write_text("\n".join(lines))
    (tmp_path / "images").mkdir()
    for record in voc.records:
        (tmp_path / "images" / Path(record.im_file).name).symlink_to(record.im_file)
    names = ", ".join(category.name for category in voc.categories)
    (tmp_path / "data.yaml").write_text(f"train: images\nval: images\nnames: [{names}]\n")
    found = YOLODataSet(str(tmp_path), split="val").load()
    assert_same_records(found, voc, 2e-3)


@pytest.mark.parametrize(
    ("images", "split"),
    [("images", "all"), ("images/train", "train"), ("train/images", "train"), ("photos", "all"), (".", "all")],
)
@pytest.mark.parametrize("names", ["classes.txt", "labels/classes.txt"])
def test_a_list_of_names_instead_of_a_yaml(names: str, images: str, split: str, tmp_path: Path) -> None:
    small(tmp_path)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / names).write_text("\n".join(CLASSES))
    labels = images.replace("images", "labels")
    for old, new in (("images/a.png", f"{images}/a.png"), ("labels/a.txt", f"{labels}/a.txt")):
        (tmp_path / new).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / old).rename(tmp_path / new)
    if "images" not in images:
        (tmp_path / "images").rmdir()
    (part,) = YOLODataSet.parts(tmp_path)
    assert (part.name, part.options) == (split, {"anno_path": names, "split": split})
    assert boxes(YOLODataSet(str(tmp_path), **part.options)) == [[1], [[90, 10, 110, 40]]]
    (tmp_path / f"{labels}/a.txt").write_text("these are notes\n")
    assert YOLODataSet.parts(tmp_path) == []
