"""Pascal VOC XML in both layouts, and what broken files are answered with."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import VOCDataSet

BOX = (10, 20, 30, 40)


def annotation(name: str = "cat", box: tuple[Any, ...] = BOX, difficult: int = 0, size: str = "") -> str:
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<annotation>{size or '<size><width>200</width><height>100</height></size>'}"
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object></annotation>"
    )


def plain(root: Path, **xml: str) -> VOCDataSet:
    """A dataset in VOC's own layout: stems in a list, images and annotations in their folders."""
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir()
    for stem, content in xml.items():
        (root / "Annotations" / f"{stem}.xml").write_text(content)
        (root / "JPEGImages" / f"{stem}.png").touch()
    (root / "train.txt").write_text("\n".join(xml) + "\n")
    return VOCDataSet(str(root), anno_path="train.txt")


def test_plain_layout(tmp_path: Path) -> None:
    loaded = plain(tmp_path, a=annotation("dog"), b=annotation("cat", difficult=1)).load()
    assert [category.name for category in loaded.categories] == ["cat", "dog"]  # sorted
    first, second = loaded.records
    assert first.im_file == str(tmp_path / "JPEGImages" / "a.png")
    assert (first.im_id, second.im_id) == (0, 1)
    assert first.size == (100, 200)
    np.testing.assert_array_equal(first.gt_bbox, np.array([BOX], np.float32))
    np.testing.assert_array_equal(first.gt_class, [[1]])
    np.testing.assert_array_equal(second.difficult, [[1]])


def test_published_layout(tmp_path: Path) -> None:
    (tmp_path / "VOC" / "Annotations").mkdir(parents=True)
    (tmp_path / "VOC" / "Annotations" / "a.xml").write_text(annotation())
    (tmp_path / "trainval.txt").write_text("VOC/JPEGImages/a.jpg VOC/Annotations/a.xml\n")
    (tmp_path / "label_list.txt").write_text("dog\ncat\n")
    loaded = VOCDataSet(str(tmp_path), anno_path="trainval.txt", label_list="label_list.txt").load()
    assert loaded.records[0].im_file == str(tmp_path / "VOC" / "JPEGImages" / "a.jpg")
    assert [category.name for category in loaded.categories] == ["dog", "cat"]
    np.testing.assert_array_equal(loaded.records[0].gt_class, [[1]])


def test_bccd(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        loaded = VOCDataSet(str(shared / "data" / "bccd"), anno_path="ImageSets/Main/trainval.txt").load()
    assert [category.name for category in loaded.categories] == ["Platelets", "RBC", "WBC"]
    assert "Platelets, RBC, WBC" in caplog.text
    assert all(Path(record.im_file).is_file() for record in loaded.records)
    assert all((record.gt_bbox[:, 2:] > record.gt_bbox[:, :2]).all() for record in loaded.records)


def test_a_size_of_zero_is_unknown(tmp_path: Path) -> None:
    size = "<size><width>0</width><height>0</height></size>"
    record = plain(tmp_path, a=annotation(size=size)).load().records[0]
    assert record.size is None
    np.testing.assert_array_equal(record.gt_bbox, np.array([BOX], np.float32))


def test_bad_boxes_are_counted_in_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    boxes = {"a": BOX, "b": (30, 20, 30, 40), "c": ("x", 0, 1, 1), "d": (150, 50, 300, 90)}
    with caplog.at_level(logging.WARNING):
        loaded = plain(tmp_path, **{stem: annotation(box=box) for stem, box in boxes.items()}).load()
    assert len(loaded) == 2
    assert loaded.records[1].gt_bbox.tolist() == [[150, 50, 200, 90]]
    assert len(caplog.records) == 1
    assert "dropped 2" in caplog.text
    assert "clipped 1" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<annotation><object>", r"a\.xml: not valid XML"),
        ("<annotation><object/></annotation>", r"a\.xml: an object has no name"),
        ("<annotation/>", r"train\.txt: no image has a box"),
    ],
)
def test_broken_annotations_are_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        plain(tmp_path, a=content).load()
    assert "\n" not in str(error.value)


def test_text_files_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation("cat"))
    (tmp_path / "train.txt").write_text("a\r\n", encoding="utf-8-sig")
    (tmp_path / "labels.txt").write_text("cat\r\n", encoding="utf-8-sig")
    dataset.label_list = "labels.txt"
    assert [category.name for category in dataset.load().categories] == ["cat"]
    (tmp_path / "labels.txt").write_bytes("köter".encode("latin-1"))
    with pytest.raises(UserError, match=r"labels\.txt: not text in UTF-8"):
        dataset.load()


def test_names_with_spaces(tmp_path: Path) -> None:
    (record,) = plain(tmp_path, **{"my cat 1": annotation()}).load().records
    assert record.im_file == str(tmp_path / "JPEGImages" / "my cat 1.png")


def test_a_class_outside_the_label_list_is_named(tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation("zebra"))
    dataset.label_list = "labels.txt"
    with pytest.raises(UserError, match=r"labels\.txt: there is no such file"):
        dataset.load()
    (tmp_path / "labels.txt").write_text("cat\n")
    with pytest.raises(UserError, match=r"a\.xml: class 'zebra' is not in the label list \(cat\)"):
        dataset.load()


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.txt: there is no such file"):
        VOCDataSet(str(tmp_path), anno_path="train.txt").load()
    dataset = plain(tmp_path, a=annotation())
    (tmp_path / "train.txt").write_text("a\nmissing\n")
    with pytest.raises(UserError, match=r"missing\.xml: there is no such file"):
        dataset.load()
    (tmp_path / "train.txt").write_text("\n")
    with pytest.raises(UserError, match=r"train\.txt: lists no image"):
        dataset.load()
