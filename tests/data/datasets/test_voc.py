"""Pascal VOC datasets in both layouts, and broken ones."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.data.datasets import VOCDataSet, check_num_classes
from tests.support.image_specimens import encoded
from tests.support.voc_files import BOX, annotation, plain


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
        ("<html><body>404</body></html>", r"a\.xml: is <html>, expected <annotation>"),
        ("", r"a\.xml: not valid XML"),
        ("\0" * 100, r"a\.xml: not valid XML"),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', r"a\.xml: not text in 'no-such'"),
        ('<?xml version="1.0" encoding="hex"?><annotation/>', r"a\.xml: not text in 'hex'"),
        ('<?xml version="1.0" encoding="ascii"?><annotation>é</annotation>', r"a\.xml: not text in 'ascii'"),
        (annotation("&#27;red"), r"a\.xml: not valid XML"),
        (annotation("\x9b[31mred"), r"a\.xml: the class name '\\x9b\[31mred' holds control characters"),
        (annotation("red").replace("name>", "nome>"), r"a\.xml: an object has no name"),
    ],
)
def test_broken_annotations_are_named(tmp_path: Path, content: str, message: str) -> None:
    dataset = plain(tmp_path, a=content)
    (tmp_path / "labels.txt").write_text("red\n")
    for dataset.label_list in (None, "labels.txt"):
        with pytest.raises(UserError, match=message) as error:
            dataset.load()
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


def test_all_boxes_of_an_object(tmp_path: Path) -> None:
    more = "<bndbox><xmin>50</xmin><ymin>50</ymin><xmax>60</xmax><ymax>60</ymax></bndbox></object>"
    (record,) = plain(tmp_path, a=annotation(difficult=1).replace("</object>", more)).load().records
    assert record.gt_bbox.tolist() == [[10, 20, 30, 40], [50, 50, 60, 60]]
    assert record.gt_class.tolist() == [[0], [0]]
    assert record.difficult.tolist() == [[1], [1]]


@pytest.mark.parametrize(
    "line",
    ["a", "a.png", "a.PNG", "a.jpg", "a.xml", "a 1", "a  -1", "a.png 0", "sub/../a"],
)
def test_lines_of_one_name(line: str, tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation())
    (tmp_path / "JPEGImages" / "sub").mkdir()
    (tmp_path / "Annotations" / "sub").mkdir()
    (tmp_path / "train.txt").write_text(f"{line}\n")
    (record,) = dataset.load().records
    assert Path(record.im_file).resolve() == tmp_path / "JPEGImages" / "a.png"


def test_names_that_end_like_a_flag_or_hold_dots(tmp_path: Path) -> None:
    stems = ["photo 1", "photo", "v1.2", "b.jpg", "year/c"]
    dataset = plain(tmp_path, photo=annotation())
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder / "year").mkdir()
    for stem in stems:
        (tmp_path / "Annotations" / f"{stem}.xml").write_text(annotation())
        (tmp_path / "JPEGImages" / f"{stem}.png").touch()
    (tmp_path / "train.txt").write_text("photo 1\nphoto 0\nv1.2\nb.jpg\nyear\\c\n")
    assert [record.im_file for record in dataset.load().records] == [
        str(tmp_path / "JPEGImages" / f"{stem}.png") for stem in stems
    ]


@pytest.mark.parametrize("tab", [" ", "\t", "   "])
def test_two_paths_with_spaces_or_of_windows(tab: str, tmp_path: Path) -> None:
    for folder in ("my images", "my xml"):
        (tmp_path / folder).mkdir()
    for name in ("a 1", "b"):
        (tmp_path / "my images" / f"{name}.jpg").touch()
        (tmp_path / "my xml" / f"{name}.xml").write_text(annotation())
    lines = [f"my images/a 1.jpg{tab}my xml/a 1.xml", rf"my images\b.jpg{tab}my xml\b.xml"]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    loaded = VOCDataSet(str(tmp_path), anno_path="train.txt").load()
    assert [record.im_file for record in loaded.records] == [
        str(tmp_path / "my images" / f"{name}.jpg") for name in ("a 1", "b")
    ]


@pytest.mark.parametrize("names", [("images", "annotations"), ("Images", "xmls"), ("img", "img")])
def test_other_folder_names(names: tuple[str, str], tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation())
    images, annotations = (tmp_path / name for name in names)
    (tmp_path / "JPEGImages").rename(images)
    if images == annotations:  # side by side
        (tmp_path / "Annotations" / "a.xml").rename(images / "a.xml")
        (tmp_path / "Annotations").rmdir()
    else:
        (tmp_path / "Annotations").rename(annotations)
    assert dataset.load().records[0].im_file == str(images / "a.png")


def test_class_names_with_accents_composed_in_either_way(tmp_path: Path) -> None:
    one, other = "caf\u00e9", "cafe\u0301"
    dataset = plain(tmp_path, a=annotation(one), b=annotation(other), c=annotation("\n  cafe\u0301\t\n"))
    assert [category.name for category in dataset.load().categories] == [one]
    (tmp_path / "label_list.txt").write_text(f"dog\n{other}\n", encoding="utf-8")
    assert [record.gt_class.tolist() for record in dataset.load().records] == [[[1]]] * 3


def test_an_image_that_is_listed_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = plain(tmp_path, a=annotation(), b=annotation())
    (tmp_path / "train.txt").write_text("a\nb\na.png\n")
    assert len(dataset.load()) == 3
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    expected = f"{tmp_path}/train.txt: lists 1 images more than once (e.g. {tmp_path}/JPEGImages/a.png), which count"
    assert message.startswith(expected)


def test_an_unknown_folder_of_annotations(tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation())
    (tmp_path / "Annotations").rename(tmp_path / "boxes")
    with pytest.raises(UserError, match=r"Annotations: there is no such folder \(the XML files\); rename yours, or"):
        dataset.load()


def test_hidden_files_are_no_annotations(tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation("cat"))
    (tmp_path / "Annotations" / "._a.xml").write_bytes(b"\0\5\x16\7Mac OS X")
    assert [category.name for category in dataset.load().categories] == ["cat"]


def test_a_label_list_with_a_class_twice(tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation("cat"))
    (tmp_path / "label_list.txt").write_text("cat\ndog\ncat\n")
    with pytest.raises(UserError, match=r"label_list\.txt: lists the class 'cat' twice"):
        dataset.load()


@pytest.mark.parametrize("name", ["car\x1b[31m", "a\x07b", "\u0085"])
def test_a_label_list_with_control_characters(name: str, tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation("cat"))
    (tmp_path / "label_list.txt").write_text(f"cat\nx{name}x\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"label_list\.txt: the class name 'x.*x' holds control characters"):
        dataset.load()


def test_the_number_of_classes_is_that_of_the_label_list(tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation("cat"))
    (tmp_path / "label_list.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match=r"num_classes: the config says 1 but .*/label_list\.txt has 2 classes"):
        check_num_classes(dataset.load(), 1)


@pytest.mark.parametrize(("image", "xml"), [("PNG", "XML"), ("Jpeg", "xml")])
def test_suffixes_in_capital_letters(image: str, xml: str, tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation("cat"))
    (tmp_path / "JPEGImages" / "a.png").rename(tmp_path / "JPEGImages" / f"a.{image}")
    (tmp_path / "Annotations" / "a.xml").rename(tmp_path / "Annotations" / f"a.{xml}")
    (record,) = dataset.load().records
    assert record.im_file == str(tmp_path / "JPEGImages" / f"a.{image}")
    assert len(record.gt_bbox) == 1
    assert [category.name for category in dataset.categories] == ["cat"]


@pytest.mark.parametrize("text", ['{"images": []}', '{\n "images": []\n}', "x" * 10**7])
def test_a_file_that_is_no_list(text: str, tmp_path: Path) -> None:
    dataset = plain(tmp_path, a=annotation())
    (tmp_path / "train.txt").write_text(text)
    with pytest.raises(UserError, match=r"train\.txt: is no list of images, .*; a COCO file .* needs !COCODataSet$"):
        dataset.load()


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^VOCDataSet\.anno_path: not set \(the list of images\)"):
        VOCDataSet(str(tmp_path)).load()
    with pytest.raises(UserError, match=r"train\.txt: there is no such file"):
        VOCDataSet(str(tmp_path), anno_path="train.txt").load()
    dataset = plain(tmp_path, a=annotation())
    (tmp_path / "train.txt").write_text("a\nmissing\n")
    with pytest.raises(UserError, match=r"missing\.xml: there is no such file"):
        dataset.load()
    (tmp_path / "train.txt").write_text("\n")
    with pytest.raises(UserError, match=r"train\.txt: lists no image"):
        dataset.load()


def test_pixels_that_are_numbered_from_1(tmp_path: Path) -> None:
    """xmin and xmax name the first and the last pixel of the object."""
    dataset = plain(tmp_path, a=annotation(box=(1, 1, 200, 100)))
    dataset.first_pixel = 1
    np.testing.assert_array_equal(dataset.load().records[0].gt_bbox, [[0, 0, 200, 100]])


def test_an_image_without_an_xml_file_has_no_objects(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some tools list images without objects, and write no XML files for them."""
    dataset = plain(tmp_path, a=annotation())
    (tmp_path / "JPEGImages" / "b.png").write_bytes(encoded(".png"))
    (tmp_path / "train.txt").write_text("b\na\n")
    dataset.allow_empty = True
    assert [len(record.gt_bbox) for record in dataset.load().records] == [1, 0]
    assert dataset.records[1].size == (32, 48)
    assert "train.txt: 1 images have no annotation file, and so no objects (e.g. " in caplog.text
    assert [part.name for part in VOCDataSet.parts(tmp_path)] == ["train.txt"]
    (tmp_path / "train.txt").write_text("b\n")
    with pytest.raises(UserError, match=r"train\.txt: no image has an XML file in .*Annotations; check dataset_dir"):
        dataset.load()
