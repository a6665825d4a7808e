"""Folders of images for inference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import ImageFolder


def test_images_of_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "notes.txt", "._b.jpg", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    loaded = ImageFolder(str(tmp_path), ".").load()
    assert [Path(record.im_file).name for record in loaded.records] == ["a.PNG", "b.jpg"]
    assert loaded.records[0].gt_bbox.shape == (0, 4)
    assert loaded.records[0].size is None


def test_given_images_keep_their_order_and_the_class_names(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    loaded = ImageFolder(str(tmp_path), anno_path="labels.txt").with_images(["/x/b.jpg", "/x/a.jpg"]).load()
    assert [record.im_file for record in loaded.records] == ["/x/b.jpg", "/x/a.jpg"]
    assert [category.name for category in loaded.categories] == ["cat", "dog"]


def test_class_names_of_a_coco_file(tmp_path: Path) -> None:
    content = {"images": [], "categories": [{"id": 5, "name": "cup"}]}  # test-dev's files have no annotations
    (tmp_path / "a.json").write_text(json.dumps(content))
    loaded = ImageFolder(str(tmp_path), anno_path="a.json").with_images(["a.jpg"]).load()
    assert [(category.id, category.name) for category in loaded.categories] == [(5, "cup")]


def test_a_missing_annotation_file_gives_no_names(tmp_path: Path) -> None:
    assert ImageFolder(str(tmp_path), anno_path="none.json").with_images(["a.jpg"]).load().categories == []


def test_what_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file or folder"):
        ImageFolder(str(tmp_path), "none").load()
    with pytest.raises(UserError, match="holds no images"):
        ImageFolder(str(tmp_path), ".").load()
    with pytest.raises(UserError, match="--infer_img or --infer_dir"):
        ImageFolder(str(tmp_path)).load()
