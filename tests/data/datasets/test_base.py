"""Categories, label lists, and the choice of images, in all formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import ImageFolder, check_num_classes, default_categories
from ppdet.data.datasets.base import read_lines, read_names
from tests.support.coco_files import dataset, ids, write


def test_the_constructor_reads_nothing(tmp_path: Path) -> None:
    assert dataset(tmp_path / "nowhere").records == []


def test_empty_images_are_kept_on_request(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    assert ids(dataset(tmp_path, allow_empty=True).load()) == [4, 9, 6]


def test_empty_ratio_limits_the_empty_images(tmp_path: Path, content: dict[str, Any]) -> None:
    content["images"] += [{"id": 100 + i, "file_name": f"{i}.jpg", "height": 5, "width": 5} for i in range(10)]
    write(tmp_path, content)
    loads = [dataset(tmp_path, allow_empty=True, empty_ratio=0.5).load().records for _ in range(2)]
    assert len(loads[0]) == 2 + 2
    assert [record.im_id for record in loads[0]] == [record.im_id for record in loads[1]]


def test_sample_num_takes_the_first(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    assert ids(dataset(tmp_path, sample_num=1).load()) == [4]


def test_missing_annotations_and_images_name_the_remedy(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"anno\.json: there is no such file.*download_coco\.py"):
        dataset(tmp_path).load()
    write(tmp_path, content)
    (tmp_path / "images").rmdir()
    with pytest.raises(UserError, match=r"images: there is no such folder.*download_coco\.py"):
        dataset(tmp_path).load()


def test_num_classes_must_agree(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content)
    loaded = dataset(tmp_path).load()
    check_num_classes(loaded, 2)
    with pytest.raises(UserError, match=r"num_classes: the config says 80 .* has 2 classes"):
        check_num_classes(loaded, 80)


def test_default_names() -> None:
    coco = default_categories(80)
    assert (coco[0].id, coco[0].name, coco[-1].id, coco[-1].name) == (1, "person", 90, "toothbrush")
    assert [category.name for category in default_categories(2)] == ["class 0", "class 1"]


def test_lines_are_stripped_and_blank_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeff a b \r\n\r\n\tc\u2028d\n".encode())
    assert read_lines(tmp_path / "a.txt") == ["a b", "c\u2028d"]


def test_names_of_a_label_list(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("cafe\u0301\ndog\n", encoding="utf-8")
    assert read_names(path) == ["caf\u00e9", "dog"]
    path.write_text("cat\ndog\ncat\n")
    with pytest.raises(UserError, match=r"labels\.txt: lists the class 'cat' twice"):
        read_names(path)
    path.write_text("cat\nx\x07x\n")
    with pytest.raises(UserError, match=r"labels\.txt: the class name 'x.*x' holds control characters"):
        read_names(path)


def test_image_ids_are_numbers_without_an_annotation_file(tmp_path: Path) -> None:
    images = ImageFolder(str(tmp_path)).with_images(["b.jpg", "a.jpg"]).load()
    assert list(images.image_ids) == [0, 1]
    assert list(ImageFolder(str(tmp_path)).image_ids) == []
