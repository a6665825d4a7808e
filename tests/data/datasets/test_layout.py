"""Looking into folders of unknown layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.data.datasets.layout import annotation_files, contains, files_in, folders, image_folder, matches


def test_folders_are_looked_at_down_to_two_levels(tmp_path: Path) -> None:
    (tmp_path / "b" / "c" / "d").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / ".git" / "e").mkdir(parents=True)
    assert folders(tmp_path) == [tmp_path / name for name in (".", "a", "b", "b/c")]


def test_files(tmp_path: Path) -> None:
    for name in ("b.XML", "a.xml", "._a.xml", "a.json"):
        (tmp_path / name).touch()
    (tmp_path / "c.xml").mkdir()
    assert files_in(tmp_path, ".xml") == [tmp_path / "a.xml", tmp_path / "b.XML"]
    (tmp_path / "many").mkdir()
    for number in range(101):  # one image each
        (tmp_path / "many" / f"{number}.xml").touch()
    assert annotation_files(tmp_path, ".xml") == files_in(tmp_path, ".xml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_contents_of_files(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"images": [], "name": "b"}', encoding=encoding)
    assert contains(path, b'"images"', b'"name"')
    assert not contains(path, b'"images"', b'"shapes"')
    assert matches(path, b'"images"', b'"name": "(.)"', b"x") == [b'"images"', b"b", None]
    path.write_bytes(b"")
    assert matches(path, b"x") == [None]
    path.write_bytes(b"\xff\xfe\x00")  # half a character
    assert matches(path, b"x") == [None]


def test_the_folder_of_images(tmp_path: Path) -> None:
    for name in ("train", "val", "annotations"):
        (tmp_path / name).mkdir()
    for name in ("train", "val"):
        (tmp_path / name / "a.jpg").touch()
    near = tmp_path / "annotations" / "instances_val2017.json"
    assert image_folder(tmp_path, near, ["a.jpg"]) == "val"
    assert image_folder(tmp_path, tmp_path / "annotations" / "train.json", ["b.jpg", "a.jpg"]) == "train"
    assert image_folder(tmp_path, near, ["val/a.jpg"]) == "."
    assert image_folder(tmp_path, near, ["b.jpg"]) is None
    (tmp_path / "annotations" / "a.jpg").touch()  # beside the annotations
    assert image_folder(tmp_path, near, ["a.jpg"]) == "annotations"
