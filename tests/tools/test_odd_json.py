"""Annotation files of every odd kind: training, evaluation and inference read them, or end with one line each."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from ppdet.core.errors import UserError
from ppdet.session import class_categories
from tests.support.tiny import make_run
from tests.support.workspaces import Tools, Workspace

Content = dict[str, Any]
Change = Callable[[Content], Any]


def in_first(section: str, **values: Any) -> Change:
    def change(content: Content) -> Content:
        content[section][0] |= values
        return content

    return change


def appended(section: str, *values: Any) -> Change:
    return lambda content: content | {section: [*content[section], *values]}


def renamed_image(name: Any) -> Change:
    """The first image has the id `name`, also where annotations refer to it."""

    def change(content: Content) -> Content:
        old = content["images"][0]["id"]
        content["images"][0]["id"] = name
        for annotation in content["annotations"]:
            annotation["image_id"] = name if annotation["image_id"] == old else annotation["image_id"]
        return content

    return change


def renamed_class(name: Any) -> Change:
    def change(content: Content) -> Content:
        content["categories"][0]["id"] = name
        for annotation in content["annotations"]:
            annotation["category_id"] = name if annotation["category_id"] == 11 else annotation["category_id"]
        return content

    return change


def encoded(encoding: str, mark: str = "") -> Change:
    return lambda content: (mark + json.dumps(content)).encode(encoding)


WORKING: dict[str, Change] = {
    "height 0": in_first("images", height=0),
    "height -5": in_first("images", height=-5),
    "height null": in_first("images", height=None),
    "height 1e15": in_first("images", height=1e15),
    "height 10^30": in_first("images", height=10**30),
    "width nan": in_first("images", width=math.nan),
    "width inf": in_first("images", width=math.inf),
    "size 1 x 1": in_first("images", width=1, height=1),
    "size 4000 x 3000": in_first("images", width=4000, height=3000),
    "image id -1": renamed_image(-1),
    "image id 1.5": renamed_image(1.5),
    "image id 10^30": renamed_image(10**30),
    "image id text": renamed_image("a3f-1"),
    "image id empty": renamed_image(""),
    "image id number as text": in_first("images", id="1"),
    "category id 10^30": renamed_class(10**30),
    "category id text": renamed_class("red"),
    "category name a number": in_first("categories", name=7),
    "categories of one name": in_first("categories", name="blue"),
    "bbox 1e308": in_first("annotations", bbox=[1e308] * 4),
    "bbox bigint": in_first("annotations", bbox=[10**400] * 4),
    "bbox bool": in_first("annotations", bbox=[True] * 4),
    "bbox dict": in_first("annotations", bbox={"x": 1}),
    "area nan": in_first("annotations", area=math.nan),
    "area bigint": in_first("annotations", area=10**400),
    "segmentation": in_first("annotations", segmentation={"counts": "xxxx", "size": [1, 1]}),
    "annotation id twice": lambda c: c | {"annotations": [a | {"id": 7} for a in c["annotations"]]},
    "image twice": lambda c: c | {"images": [*c["images"], c["images"][0]]},
    "image under two ids": lambda c: c | {"images": [*c["images"], c["images"][0] | {"id": "again"}]},
    "UTF-8 with a mark": encoded("utf-8-sig"),
    "UTF-16": encoded("utf-16"),
    "UTF-16 big-endian": encoded("utf-16-be", "\ufeff"),
}

REFUSED: dict[str, tuple[Change, str]] = {
    "annotation a list": (appended("annotations", [1, 2]), r"annotations\[\d+\]: found \[1, 2\]; expected an object"),
    "annotation null": (appended("annotations", None), r"annotations\[\d+\]: found None; expected an object"),
    "annotation a text": (appended("annotations", "bbox"), r"annotations\[\d+\]: found 'bbox'; expected an object"),
    "image a text": (appended("images", "x"), r"images\[\d\]: found 'x'; expected an object"),
    "no image id": (
        in_first("annotations", image_id=None),
        r"annotations\[0\]\.image_id: found None; expected a number",
    ),
    "iscrowd": (in_first("annotations", iscrowd=[1]), r"annotations\[0\]\.iscrowd: found \[1\]; expected 0 or 1"),
    "file name empty": (in_first("images", file_name=""), r"images\[0\]\.file_name: found ''; expected a text"),
    "file name a list": (
        in_first("images", file_name=["a"]),
        r"images\[0\]\.file_name: found \['a'\]; expected a text",
    ),
    "file name with NUL": (in_first("images", file_name="a\0b"), r"images\[0\]\.file_name: found .* control char"),
    "file name surrogate": (in_first("images", file_name="\ud800"), r"images\[0\]\.file_name: found .*surrogates"),
    "file name escape": (in_first("images", file_name="\x1b[31m\n"), r"images\[0\]\.file_name: found .* control char"),
    "images a number": (lambda c: c | {"images": 7}, "has no list images"),
    "empty": (lambda c: b"", r"not valid JSON \(.*cut short"),
    "cut short": (lambda c: json.dumps(c).encode()[:-20], r"not valid JSON \(.*cut short"),
    "web page": (lambda c: b"<html><body>not found</body></html>", r"not valid JSON \(.*; correct it or fetch"),
    "spaces": (lambda c: b" " * 1000, r"not valid JSON \("),
    "deep": (lambda c: b"[" * 200_000, "lists or objects nested too deeply"),
    "deep objects": (lambda c: b'{"a":' * 200_000, "lists or objects nested too deeply"),
    "5000 digits": (lambda c: b"1" * 5000, "holds a whole number of thousands of digits"),
    "a list": (lambda c: b"[]", "has no list"),
    "null": (lambda c: b"null", "has no list"),
    "infinite": (lambda c: b"1e400", "has no list"),
    "Latin-1": (lambda c: '{"categories": [{"id": 1, "name": "café"}]}'.encode("latin-1"), "not text in UTF-8"),
    "GBK": (lambda c: '{"categories": [{"id": 1, "name": "杯子"}]}'.encode("gbk"), "not text in UTF-8"),
}

# what names the classes is refused by inference too
CLASSES_REFUSED: dict[str, tuple[Change, str]] = {
    "category a number": (appended("categories", 3), r"categories\[3\]: found 3; expected an object"),
    "category id inf": (in_first("categories", id=math.inf), r"categories\[0\]\.id: found inf; expected a number"),
    "category id twice": (in_first("categories", id=12), r"categories\[1\]\.id: found 12; expected an id of its own"),
    "category surrogate": (in_first("categories", name="\ud800"), r"categories\[0\]\.name: found .*surrogates"),
    "category escape": (in_first("categories", name="\x1b]0;x\x07"), r"categories\[0\]\.name: found .* control char"),
    "category null": (in_first("categories", name=None), r"categories\[0\]\.name: found None; expected a text"),
}


def spoil(coco: Workspace, change: Change) -> None:
    """Both splits changed; detections of none for --json_eval."""
    for split in ("train", "val"):
        content = change(coco.annotations(split))
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (coco.data / f"{split}.json").write_bytes(data)
    (coco.root / "bbox.json").write_text("[]")


@pytest.mark.parametrize("kind", WORKING)
def test_what_can_be_read(kind: str, tools: Tools, coco: Workspace) -> None:
    spoil(coco, WORKING[kind])
    run = make_run(coco.config)
    dataset = run.load_dataset("TrainDataset")
    with closing(run.builder.build("TrainReader").bind(dataset)) as loader:
        assert sum(batch.image.shape[0] for batch in loader.epoch(0)) == len(dataset)
    assert sum(len(record.gt_bbox) for record in dataset.records) >= 8
    out, _ = tools.run("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root)
    assert "maxDets=100 ] = 0.000" in out
    assert len(class_categories(run)) == 3


@pytest.mark.parametrize("kind", [*REFUSED, *CLASSES_REFUSED])
def test_what_cannot_be_read(kind: str, tools: Tools, coco: Workspace) -> None:
    change, message = (REFUSED | CLASSES_REFUSED)[kind]
    spoil(coco, change)
    assert re.match(f"{coco.data}/train.json: {message}", tools.fail("train", "-c", coco.config))
    error = tools.fail("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root)
    assert re.match(f"{coco.data}/val.json: {message}", error)
    if kind in CLASSES_REFUSED:
        with pytest.raises(UserError, match=message):
            class_categories(make_run(coco.config))


@pytest.mark.parametrize("kind", ["image id text", "image id 10^30", "image id 1.5", "category id text"])
def test_results_have_the_files_own_ids(kind: str, tools: Tools, coco: Workspace, weights: Any) -> None:
    spoil(coco, WORKING[kind])
    options = ["-c", coco.config, "--output_eval", coco.root]
    out, _ = tools.run("eval", *options, "-o", f"weights={weights}")
    content, found = coco.annotations("val"), json.loads((coco.root / "bbox.json").read_text())
    for key, section in (("image_id", "images"), ("category_id", "categories")):
        assert {entry[key] for entry in found} <= {entry["id"] for entry in content[section]}
    assert content["images"][0]["id"] in {entry["image_id"] for entry in found}
    again, _ = tools.run("eval", *options, "--json_eval")
    assert again == out


def test_evaluation_without_anything_to_find_is_warned_of(tools: Tools, coco: Workspace) -> None:
    content = coco.annotations("val")
    content["annotations"] = [annotation | {"iscrowd": 1} for annotation in content["annotations"]]
    coco.annotate("val", content)
    (coco.root / "bbox.json").write_text("[]")
    _, log = tools.run("eval", "-c", coco.config, "--json_eval", "--output_eval", coco.root)
    assert f"{coco.data}/val.json: no image has an object to be found" in log


def test_training_without_any_box_is_refused(tools: Tools, coco: Workspace) -> None:
    coco.annotate("train", coco.annotations("train") | {"annotations": []})
    error = tools.fail("train", "-c", coco.config, "-o", "TrainDataset.allow_empty=true")
    assert error == f"TrainDataset: no image of {coco.data}/train.json has a box; correct it"
