"""AutoDataset: the formats that it recognizes, the splits, and folders that are unclear."""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import AutoDataset, COCODataSet, check_num_classes
from tests.support.datasets import CLASSES, noise_scenes, write_coco, write_voc
from tests.support.same_records import assert_same_records
from tests.support.voc_files import annotation
from tests.support.yolo_files import write_yolo

NONE = "in no known format; looked for a JSON with images, annotations and categories (COCO); XML files with"


def auto(root: Path, split: str = "", **options: bool) -> AutoDataset:
    loaded = AutoDataset(str(root), split=split, **options).load()
    assert isinstance(loaded, AutoDataset)
    return loaded


def write_splits(root: Path) -> None:
    """A COCO data set in the layout of COCO 2017."""
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", 6), ("val", 3)):
        anno = root / "annotations" / f"instances_{split}2017.json"
        write_coco(anno, root / f"{split}2017", noise_scenes(count))


def test_coco(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_splits(tmp_path)
    (tmp_path / "annotations" / "captions_train2017.json").write_text('{"images": [], "annotations": []}')
    with caplog.at_level(logging.INFO):
        found = auto(tmp_path, "val", allow_empty=True)
    messages = [record.getMessage() for record in caplog.records if "taken for" in record.getMessage()]
    assert messages == [f"{tmp_path}: taken for COCODataSet: annotations/instances_val2017.json"]
    expected = COCODataSet(str(tmp_path), "val2017", "annotations/instances_val2017.json", allow_empty=True).load()
    assert_same_records(found, expected, 0)
    assert found.truth is not None
    assert found.image_ids == [1, 2, 3]
    assert Path(found.records[0].im_file).parent.name == "val2017"
    assert [category.name for category in AutoDataset(str(tmp_path), split="val").peek_categories()] == list(CLASSES)
    with pytest.raises(UserError, match=r"the config says 80 but .*instances_val2017\.json has 3 classes"):
        check_num_classes(found, 80)


@pytest.mark.parametrize("split", ["valid", "val"])
def test_coco_as_roboflow_writes_it(split: str, tmp_path: Path) -> None:
    for part in ("train", "valid"):
        write_coco(tmp_path / "_annotations.coco.json", tmp_path / part, noise_scenes(2))
        (tmp_path / "_annotations.coco.json").rename(tmp_path / part / "_annotations.coco.json")
    assert {Path(record.im_file).parent for record in auto(tmp_path, split).records} == {tmp_path / "valid"}


def test_yolo(tmp_path: Path) -> None:
    write_yolo(tmp_path, noise_scenes(6))
    write_yolo(tmp_path, noise_scenes(2), "val")
    assert len(auto(tmp_path, "train")) == 5
    assert len(auto(tmp_path, "valid")) == 1
    with pytest.raises(UserError, match=r"has no split 'test', only train, val; name a file or folder test, set split"):
        auto(tmp_path, "test")
    with pytest.raises(UserError, match=r"holds 2 splits \(train, val\); set split to one of them"):
        auto(tmp_path)
    with pytest.raises(UserError, match=r"the config says 80 but .*data\.yaml has 3 classes; set num_classes: 3"):
        check_num_classes(auto(tmp_path, "train"), 80)


def test_voc_with_lists(tmp_path: Path) -> None:
    write_voc(tmp_path, "train", noise_scenes(3))
    write_voc(tmp_path, "val", noise_scenes(2))
    assert [Path(record.im_file).name for record in auto(tmp_path, "val").records] == ["val_0.png"]
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for name in ("train", "val"):
        (tmp_path / f"{name}.txt").rename(lists / f"{name}.txt")
    (lists / "red_val.txt").write_text("val_0 1\n")
    assert len(auto(tmp_path, "train")) == 2
    assert len(auto(tmp_path, "val")) == 1
    (lists / "val.txt").unlink()
    (lists / "blue_val.txt").write_text("val_0 1\n")
    with pytest.raises(UserError, match=r"several files may be the split 'val' \(.*blue_val\.txt, .*red_val\.txt\)"):
        auto(tmp_path, "val")


@pytest.mark.parametrize(
    ("images", "annotations"),
    [
        ("images", "annots"),
        ("images", "annotations"),
        ("my photos", "my boxes"),
        (".", "."),
        ("train", "train"),
        ("images/train", "annotations/train"),
        ("train/images", "train/annotations"),
    ],
)
def test_voc_without_lists(images: str, annotations: str, tmp_path: Path) -> None:
    write_voc(tmp_path / "voc", "a", noise_scenes(4))
    for old, new, kind in (("JPEGImages", images, "*.png"), ("Annotations", annotations, "*.xml")):
        (tmp_path / "set" / new).mkdir(parents=True, exist_ok=True)
        for file in (tmp_path / "voc" / old).glob(kind):
            file.rename(tmp_path / "set" / new / file.name)
    found = auto(tmp_path / "set", "train" if "train" in images else "")
    paths = [Path(record.im_file) for record in found.records]
    assert [path.name for path in paths] == ["a_0.png", "a_1.png", "a_2.png"]
    assert all(path.is_file() for path in paths)
    assert [category.name for category in found.categories] == sorted(CLASSES)


def test_folders_in_no_format(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        auto(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: {NONE}")
    assert str(error.value).endswith("; the folder is empty: check dataset_dir")
    (tmp_path / "a.json").write_text(json.dumps({"images": []}))
    (tmp_path / "b.json").write_bytes(b"")
    (tmp_path / "c.xml").write_text("<html/>")
    (tmp_path / "d.yaml").write_text("epoch: 3\n")
    (tmp_path / "train.txt").write_text("hello\n")
    with pytest.raises(UserError) as error:
        auto(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: {NONE}")
    (tmp_path / "set.7z").touch()
    with pytest.raises(UserError, match=r"in no known format; looked for .*; unpack set\.7z and give its folder$"):
        auto(tmp_path)


def test_a_folder_in_two_formats(tmp_path: Path) -> None:
    write_splits(tmp_path)
    write_yolo(tmp_path, noise_scenes(2))
    with pytest.raises(UserError) as error:
        auto(tmp_path, "train")
    assert str(error.value) == (
        f"{tmp_path}: may be COCODataSet (annotations/instances_train2017.json) and YOLODataSet (train); "
        "move the files of one of them elsewhere, or name the other one in a config, as !COCODataSet instead of "
        "!AutoDataset"
    )


def test_an_archive_or_no_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a.xml", annotation())
    with pytest.raises(UserError, match=r"set\.zip: is an archive; expected a folder; unpack it and give the folder$"):
        auto(tmp_path / "set.zip")
    with pytest.raises(UserError, match=r"set\.zip: is an archive; expected a folder; unpack it and give the folder$"):
        COCODataSet(str(tmp_path / "set.zip"), "images", "train.json").load()
    with pytest.raises(UserError, match=r"nothing: there is no such folder \(the data set\); check dataset_dir$"):
        auto(tmp_path / "nothing")
    assert AutoDataset(str(tmp_path / "nothing")).peek_categories() == []


def test_a_data_yaml_without_a_key_is_named(tmp_path: Path) -> None:
    write_yolo(tmp_path, noise_scenes(2), yaml="train: images/train\nval: images/val\n")
    with pytest.raises(UserError, match=r"data\.yaml: has no key 'names', the class names"):
        auto(tmp_path, "train")
