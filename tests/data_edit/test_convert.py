"""What is written is read back: the same boxes from every format, and all of a COCO file from COCO."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from ppdet.core.errors import UserError
from ppdet.data.datasets import AutoDataset
from ppdet.data_edit import FORMATS
from ppdet.data_edit.convert import write
from ppdet.data_edit.parts import Object, Part, Picture
from ppdet.data_edit.read import read_parts
from tests.support.data_faults import FaultySet, copy_of, picture
from tests.support.image_specimens import encoded, exif, png_chunk
from tests.support.part_content import content

ODD_NAMES = [
    "a b.png",
    "c.png",
    "c.png.png",
    "d.xml.png",
    ".hidden.png",
    "{e}.png",
    "f 1.png",
    "é.PNG",
    "sub/0.png",
    "g%20.png",
]


def odd_boxes(made: FaultySet) -> None:
    """Adds boxes with decimals, on the border, and of a pixel."""
    for box in ((0.25, 3.125, 17.3333333, 40.1), (0, 0, 168, 120), (167, 119, 1, 1), (100 / 3, 7, 1 / 3, 90.9)):
        made.add_box(box, 1)
    made.save()


@pytest.mark.parametrize("to", FORMATS)
def test_round_trip(to: str, clean: FaultySet, tmp_path: Path) -> None:
    made = copy_of(clean, tmp_path / "set")
    odd_boxes(made)
    before = read_parts(made.root, [])
    assert write(tmp_path / "new", before, to) == []
    after = read_parts(tmp_path / "new", [])
    assert [part.name for part in after] == ["train", "val"]
    for old, new in zip(before, after, strict=True):
        assert new.classes == old.classes
        assert content(new) == content(old)
    write(tmp_path / "back", after)
    assert [content(part) for part in read_parts(tmp_path / "back", [])] == [content(part) for part in before]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "new", "set"]


@pytest.mark.parametrize("to", FORMATS)
def test_training_reads_the_same(to: str, clean: FaultySet, tmp_path: Path) -> None:
    write(tmp_path / "new", read_parts(clean.root, []), to)
    for split in ("train", "val"):
        old, new = (AutoDataset(str(root), split=split).load() for root in (clean.root, tmp_path / "new"))
        by_name = {Path(record.im_file).resolve(): record for record in old.records}
        assert len(by_name) == len(new.records)
        for record in new.records:
            expected = by_name[Path(record.im_file).resolve()]
            np.testing.assert_allclose(record.gt_bbox, expected.gt_bbox, atol=1e-3)
            assert record.gt_class.tolist() == expected.gt_class.tolist()
            assert record.size == expected.size


def test_coco_stays_as_it_is(clean: FaultySet, tmp_path: Path) -> None:
    """Ids, outlines, licenses and unknown fields; the paths alone change."""
    made = copy_of(clean, tmp_path / "set")
    made.train["licenses"] = [{"id": 1, "name": "mine"}]
    made.train["images"][3] |= {"id": "three", "license": 1}
    for each in made.of_image(3):
        each |= {"image_id": "three", "segmentation": [[1, 2, 3, 4, 5, 6]], "score": 0.5, "keypoints": [1, 2, 2]}
    made.train["annotations"].append(
        {"id": 77777, "image_id": 4, "category_id": 2, "segmentation": [[0, 0, 1, 1, 2, 0]]}
    )
    made.train["annotations"][0] |= {"iscrowd": 1, "ignore": 0}
    made.train["categories"][0] |= {"id": 90, "supercategory": "color"}
    for each in made.train["annotations"]:
        each["category_id"] = {1: 90}.get(each["category_id"], each["category_id"])
    made.save()
    assert write(tmp_path / "new", read_parts(made.root, ["train"])) == []
    written = json.loads((tmp_path / "new" / "train.json").read_text())

    def by_id(entries: list[Any]) -> dict[str, Any]:
        return {str(each["id"]): each for each in entries}

    assert written["licenses"] == made.train["licenses"]
    assert written["categories"] == made.train["categories"]
    assert by_id(written["annotations"]) == by_id(made.train["annotations"])
    for image in written["images"]:
        assert (tmp_path / "new" / image["file_name"]).resolve() == made.root / "train" / Path(image["file_name"]).name
    names = {str(each["id"]): f"../set/train/{each['file_name']}" for each in made.train["images"]}
    assert by_id(written["images"]) == by_id(
        [each | {"file_name": names[str(each["id"])]} for each in made.train["images"]]
    )


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_odd_names(to: str, tmp_path: Path) -> None:
    """Every image has a link that the reader finds, and its own box."""
    pictures = []
    for number, name in enumerate(["0.png", *ODD_NAMES]):
        file = tmp_path / "images" / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_bytes(cv2.imencode(".png", picture(number))[1].tobytes())
        pictures.append(Picture(str(file), name, None, {}, [Object(0, [number, 5, 20, 30], False, False, {})]))
    write(tmp_path / "new", [Part("train", [{"name": "yes"}], pictures)], to)
    (part,) = read_parts(tmp_path / "new", [])
    found = {each.real_file: list(each.objects[0].box or []) for each in part.pictures}
    assert found.keys() == {each.real_file for each in pictures}
    for each in pictures:
        assert found[each.real_file] == pytest.approx(each.objects[0].box)
    assert part.classes == ["yes"]


@pytest.mark.parametrize(
    ("to", "losses", "boxes"),
    [
        ("coco", ["1 marks of difficult objects are kept as a field that training does not read"], 6),
        (
            "yolo",
            [
                "1 marks of difficult objects are lost",
                "1 outlines are lost",
                "1 regions to ignore (crowds) are left out",
                "1 objects without a box are left out",
                "1 boxes without area in the image are left out",
                "1 boxes are cut at the border of the image",
            ],
            3,
        ),
        (
            "voc",
            [
                "1 outlines are lost",
                "1 regions to ignore (crowds) are left out",
                "1 objects without a box are left out",
            ],
            4,
        ),
    ],
)
def test_losses_are_said(to: str, losses: list[str], boxes: int, clean: FaultySet, tmp_path: Path) -> None:
    (old, _) = read_parts(clean.root, [])
    box = [10.0, 10.0, 20.0, 20.0]
    objects = [
        Object(0, box, False, True, {"bbox": box, "difficult": 1}),
        Object(1, box, False, False, {"bbox": box, "segmentation": [[1, 1, 9, 9, 1, 9]]}),
        Object(1, box, True, False, {"bbox": box, "iscrowd": 1}),
        Object(2, None, False, False, {}),
        Object(2, [-5.0, 10.0, 20.0, 20.0], False, False, {"bbox": [-5.0, 10.0, 20.0, 20.0]}),
        Object(2, [500.0, 10.0, 20.0, 20.0], False, False, {"bbox": [500.0, 10.0, 20.0, 20.0]}),
    ]
    part = old.with_pictures([replace(old.pictures[0], objects=objects)])
    assert sorted(write(tmp_path / "new", [part], to)) == sorted(losses)
    (new,) = read_parts(tmp_path / "new", [])
    assert len(new.pictures[0].objects) == boxes
    assert [each.difficult for each in new.pictures[0].objects][0] is (to != "yolo")


def test_difficult_objects_survive_in_coco(clean: FaultySet, tmp_path: Path) -> None:
    """VOC to COCO and back keeps the marks."""
    (old, _) = read_parts(clean.root, [])
    box = [10.0, 10.0, 20.0, 20.0]
    part = old.with_pictures([replace(old.pictures[0], objects=[Object(0, box, False, True, {"bbox": box})])])
    write(tmp_path / "voc", [part], "voc")
    write(tmp_path / "coco", read_parts(tmp_path / "voc", []), "coco")
    write(tmp_path / "again", read_parts(tmp_path / "coco", []), "voc")
    for stem in ("voc", "again"):
        assert "<difficult>1</difficult>" in next((tmp_path / stem / "Annotations").iterdir()).read_text()


def test_what_yolo_gets(clean: FaultySet, tmp_path: Path) -> None:
    write(tmp_path / "new", read_parts(clean.root, []), "yolo")
    names = {0: "red", 1: "green", 2: "blue"}
    assert yaml.safe_load((tmp_path / "new" / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/val",
        "nc": 3,
        "names": names,
    }
    lines = (tmp_path / "new" / "labels" / "train" / "0.txt").read_text().splitlines()
    assert lines[0] == "0 0.1875 0.25 0.25 0.3333333333"  # 10, 10, 40, 40 of 160 x 120


def test_images_that_exif_turns(tmp_path: Path) -> None:
    """Boxes of the upright image fit YOLO; boxes of the stored one are refused, as no fraction would be right."""
    data = encoded(".png", picture(1))
    file = tmp_path / "a.png"
    file.write_bytes(data[:33] + png_chunk(b"eXIf", exif(6)) + data[33:])
    objects = [Object(0, [10.0, 20.0, 30.0, 40.0], False, False, {})]
    upright, stored = (Picture(str(file), "a.png", size, {}, objects) for size in ((160, 120), (120, 160)))
    write(tmp_path / "new", [Part("all", [{"name": "a"}], [upright])], "yolo")
    (part,) = read_parts(tmp_path / "new", [])
    assert content(part) == {"a.png": [("a", [10, 20, 30, 40])]}
    with pytest.raises(UserError, match="is annotated as it is before EXIF turns it"):
        write(tmp_path / "other", [Part("all", [{"name": "a"}], [stored])], "yolo")


def test_one_list_without_splits(clean: FaultySet, tmp_path: Path) -> None:
    part = replace(read_parts(clean.root, [])[0], name="all")
    for to in FORMATS:
        write(tmp_path / to, [part], to)
        (new,) = read_parts(tmp_path / to, [])
        assert (new.name, content(new)) == ("all", content(part))


def test_classes_in_another_order(clean: FaultySet, tmp_path: Path) -> None:
    """All lists get the order of the first."""
    made = copy_of(clean, tmp_path / "set")
    made.val["categories"].reverse()
    made.save()
    before = read_parts(made.root, [])
    write(tmp_path / "new", before)
    after = read_parts(tmp_path / "new", [])
    assert [part.classes for part in before] == [["red", "green", "blue"], ["blue", "green", "red"]]
    assert [part.classes for part in after] == [["red", "green", "blue"]] * 2
    assert content(after[1]) == content(before[1])


def with_class(name: str) -> Part:
    return Part("train", [{"name": name}, {"name": "b"}], [Picture("x.png", "x.png", (9, 9), {}, [])])


@pytest.mark.parametrize(
    ("part", "to", "message"),
    [
        (with_class("b "), "voc", "train: lists the class 'b' 2 times; give each class a name of its own"),
        (with_class(" "), "yolo", "train: has a class without a name; name it, or convert to coco"),
        (replace(with_class("a"), name="old"), "yolo", "--split: found 'old'; expected train, val, test"),
        (with_class("a").with_pictures([]), "coco", "train: no image is left"),
        (
            with_class("a").with_pictures([Picture("x.ppm", "x", None, {}, [])]),
            "voc",
            "x.ppm: has the extension '.ppm'",
        ),
        (
            with_class("a").with_pictures([Picture("x.png", "x", None, {}, [])]),
            "voc",
            "x.png: cannot be read; VOC needs",
        ),
        (with_class("a").with_pictures([Picture("\ud800.png", "x", None, {}, [])]), "coco", "a name that no list can"),
    ],
)
def test_refusals_leave_nothing(part: Part, to: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        write(tmp_path / "new", [part], to)
    assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", FORMATS)
def test_missing_images_are_said(to: str, clean: FaultySet, tmp_path: Path) -> None:
    """Here two without objects, of which no format needs the size."""
    made = copy_of(clean, tmp_path / "set")
    for number in (3, 5):
        (made.root / "train" / f"{number}.png").unlink()
        made.train["annotations"] = [each for each in made.train["annotations"] if each["image_id"] != number]
    made.save()
    (remark,) = write(tmp_path / "new", read_parts(made.root, []), to)
    assert remark.startswith(f"2 images are missing (e.g. {made.file}): training refuses the new lists")


def test_a_list_that_is_found_through_a_link(clean: FaultySet, tmp_path: Path) -> None:
    """Its paths lead from the folder behind the link, not from the link."""
    write(tmp_path / "deep" / "lists", read_parts(clean.root, ["train"]))
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "lists")
    write(tmp_path / "new", read_parts(tmp_path / "link", []))
    (after,) = read_parts(tmp_path / "new", [])
    assert {picture.real_file for picture in after.pictures} == {
        os.path.realpath(clean.root / "train" / f"{number}.png") for number in range(24)
    }


def test_yolo_through_a_link(clean: FaultySet, tmp_path: Path) -> None:
    write(tmp_path / "deep" / "set", read_parts(clean.root, ["train"]), "yolo")
    (tmp_path / "deep" / "set" / "lists").mkdir()
    (tmp_path / "deep" / "set" / "data.yaml").rename(tmp_path / "deep" / "set" / "lists" / "data.yaml")
    yaml_file = tmp_path / "deep" / "set" / "lists" / "data.yaml"
    yaml_file.write_text(yaml_file.read_text().replace("images/train", "../images/train"))
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "set" / "lists")
    (part,) = read_parts(tmp_path / "link", [])
    assert content(part) == content(read_parts(clean.root, ["train"])[0])
