"""Files under other spellings of the names that annotations give them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ppdet.data.datasets import COCODataSet
from ppdet.data.datasets.file_names import FileNames, describe_missing, missing_files, without_dots

COMPOSED, DECOMPOSED = "é1.png", "e\u03011.png"  # as Windows and Linux write it, and as macOS does
assert COMPOSED != DECOMPOSED


@pytest.mark.parametrize(
    ("file", "written"),
    [
        ("a.png", "a.png"),
        ("images/a.png", "images/a.png"),
        ("images/a.png", r"images\a.png"),
        ("images/a.png", r"images\/a.png"),
        ("images/a.png", r".\images\a.png"),
        ("my 1.png", "my%201.png"),
        ("my dir/é 1.png", "my%20dir/%C3%A9%201.png"),
        ("my dir/a.png", r"my%20dir\a.png"),
        (DECOMPOSED, COMPOSED),
        (COMPOSED, DECOMPOSED),
        (f"{DECOMPOSED}/{COMPOSED}", f"{COMPOSED}/{DECOMPOSED}"),
        (f"sub/{DECOMPOSED}", rf"sub\{COMPOSED}"),
        (DECOMPOSED, "%C3%A91.png"),
    ],
)
def test_other_spellings(file: str, written: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    assert os.path.samefile(FileNames().find(tmp_path, written), tmp_path / file)


@pytest.mark.parametrize("name", ["a%20b.png", r"a\b.png", COMPOSED, "100%.png"])
def test_the_exact_name_wins(name: str, tmp_path: Path) -> None:
    for other in (name, "a b.png", DECOMPOSED, COMPOSED):
        (tmp_path / other).touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").touch()
    assert FileNames().find(tmp_path, name) == str(tmp_path / name)


@pytest.mark.parametrize(
    "name", ["none.png", r"images\none.png", "no%20ne.png", COMPOSED, "\0.png", "\udc80.png", "x" * 300]
)
def test_a_file_that_is_not_there(name: str, tmp_path: Path) -> None:
    assert FileNames().find(tmp_path, name) == str(tmp_path / name)
    assert missing_files([str(tmp_path / name)]) == [0]


def test_missing_files_are_what_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "none")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "fifo.png")
    names = ["a.png", "link.png", "dangling.png", "folder.png", "fifo.png", "none/a.png"]
    paths = [*(str(tmp_path / name) for name in names), "/dev/zero"]
    assert missing_files(paths) == [2, 3, 4, 5, 6]


def test_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / DECOMPOSED).touch()
    assert missing_files([DECOMPOSED, COMPOSED]) == [1]
    assert FileNames().find(Path(), DECOMPOSED) == DECOMPOSED
    assert os.path.samefile(FileNames().find(Path(), COMPOSED), DECOMPOSED)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("b.png", "there is no such file); check image_dir"),
        (r"x\a.png", "backslashes of Windows: write / instead"),
        ("A.PNG", "there is a.png: capital and small letters differ"),
        ("x%20y.png", "no such file, nor x y.png)"),
        ("folder", "it is no regular file"),
        ("none/a.png", "there is no such file"),
        ("https://example.org/a.png", "the name is an address: fetch the images"),
    ],
)
def test_reasons(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "folder").mkdir()
    message = describe_missing(str(tmp_path / name))
    assert message.startswith(f"{tmp_path / name}: cannot be read (")
    assert reason in message


def test_a_coco_dataset_of_windows_and_macos(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    names = {DECOMPOSED: COMPOSED, "b.png": r"train\b.png", "c 1.png": "train/c%201.png", "d.png": "train/d.png"}
    for name in names:
        (tmp_path / "train" / name).touch()
    images = [
        {"id": i, "file_name": name if "train" in name else f"train/{name}", "width": 64, "height": 48}
        for i, name in enumerate(names.values(), 1)
    ]
    boxes = [{"id": i, "image_id": i, "category_id": 1, "bbox": [1, 2, 30, 40]} for i in range(1, 5)]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    records = COCODataSet(str(tmp_path), anno_path="a.json").load().records
    assert [Path(record.im_file).name for record in records] == list(names)
    assert not missing_files([record.im_file for record in records])


def test_dots_after_a_link_to_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system follows the link before the two dots; without a link the path stays relative."""
    (tmp_path / "deep" / "set" / "lists").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "set" / "lists")
    monkeypatch.chdir(tmp_path)
    assert without_dots("link/../a.png") == str(tmp_path / "deep" / "set" / "a.png")
    assert without_dots("./deep/set/../a..png") == os.path.join("deep", "a..png")
    assert without_dots("link/a.png") == os.path.join("link", "a.png")
