"""Any COCO file that a tool may write gives pycocotools' numbers, or one line that names the entry at fault."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet
from ppdet.metrics.coco import CocoMetric
from ppdet.metrics.results import load_results, save_results

MISSING = object()
IDS = st.one_of(
    st.integers(-5, 30),
    st.integers(-(10**40), 10**40),
    st.floats(-1e6, 1e6).filter(lambda value: value == value),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.integers(0, 30).map(str),
)
BAD_IDS = st.sampled_from([None, True, [1], {}, math.inf, math.nan, MISSING])
SIDES = st.sampled_from([100, 60.0, 0, -1, None, "100", math.nan, math.inf, 10**30, 1, MISSING])
BOXES = st.tuples(
    st.integers(-4, 60), st.integers(-4, 60), st.integers(1, 120), st.sampled_from([1, 8.5, 32, 40, 96, 100])
).map(list)
ODD_BOXES = st.sampled_from(
    [
        None,
        [],
        [1, 2, 3],
        ["1", "2", "3", "4"],
        [1, 2, math.nan, 4],
        [1, math.inf, 3, 4],
        [1e308] * 4,
        [10**400] * 4,
        {"x": 1},
        [True, 2, 3, 4],
        [5, 5, 0, 3],
        [5, 5, -3, 4],
        MISSING,
    ]
)
AREAS = st.sampled_from(
    [MISSING, MISSING, None, 0, -3, 1, 1023.5, 1024, 9216, 9217, 1e9, 1e11, math.nan, math.inf, "320", 10**400, True]
)
CROWDS = st.sampled_from([MISSING, 0, 0, 0, 1, 1.0, True, False, "0", "1", None])
BAD_CROWDS = st.sampled_from(["yes", 2, -1, [], {}, math.nan])
SCORES = st.integers(1, 8).map(lambda eighths: eighths / 8)  # many are equal


def rarely(draw: st.DrawFn, odd: st.SearchStrategy[Any], usual: st.SearchStrategy[Any], times: int = 12) -> Any:
    return draw(odd if draw(st.integers(1, times)) == times else usual)


def without_missing(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not MISSING}


@st.composite
def files(draw: st.DrawFn) -> tuple[dict[str, Any], set[str]]:
    """The content of an annotation file, and the places in it that cannot be made sense of."""
    kind = st.integers(-5, 10**6) if draw(st.booleans()) else IDS
    names = [draw(st.lists(kind, min_size=1, max_size=size, unique=True)) for size in (4, 3)]
    bad: set[str] = set()
    spoilt = draw(st.integers(0, 3)) == 0  # otherwise the file can be read
    images = []
    for number, name in enumerate(names[0]):
        image = {
            "id": name,
            "file_name": draw(st.sampled_from([f"{number}.jpg", "same.jpg"])),
            "height": draw(SIDES),
            "width": draw(SIDES),
            "license": 1,
        }
        if spoilt and (key := rarely(draw, st.sampled_from(["id", "file_name"]), st.none())):
            image[key] = draw(BAD_IDS)
            bad.add(f"images[{number}].{key}")
        images.append(image)
    if not bad and draw(st.booleans()):
        images.append(dict(draw(st.sampled_from(images))))  # the same again
    categories = [{"supercategory": "x", "name": draw(st.sampled_from("abc")), "id": name} for name in names[1]]
    if spoilt and draw(st.booleans()):
        categories.append({"id": names[1][0], "name": "again"})
        bad.add(f"categories[{len(names[1])}].id")
    annotations = []
    for number in range(draw(st.integers(0, 10))):
        annotation = {
            "id": draw(st.sampled_from([number, 0, "same", None, MISSING])),
            "image_id": draw(st.sampled_from(names[0])),
            "category_id": draw(st.sampled_from(names[1])),
            "bbox": rarely(draw, ODD_BOXES, BOXES),
            "area": draw(AREAS),
            "iscrowd": draw(CROWDS),
            "segmentation": [],
        }
        if spoilt and (key := rarely(draw, st.sampled_from(["image_id", "category_id", "iscrowd"]), st.none())):
            annotation[key] = draw(BAD_CROWDS if key == "iscrowd" else BAD_IDS | st.just("no such id"))
            bad.add(f"annotations[{number}].{key}")
        annotations.append(annotation)
    content = {"images": images, "annotations": annotations, "categories": categories, "info": None}
    content = {
        key: list(map(without_missing, part)) if isinstance(part, list) else part for key, part in content.items()
    }
    return {key: content[key] for key in draw(st.permutations(sorted(content)))}, bad


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], set[str], list[tuple[int, list[list[float]]]]]:
    """A file and detections (position among the images and rows) on its boxes, near them and elsewhere."""
    content, bad = draw(files())
    if bad:
        return content, bad, []
    names, classes = order([image["id"] for image in content["images"]]), len(content["categories"])
    found: list[list[list[float]]] = [[] for _ in names]
    for annotation in content["annotations"]:
        if has_box(annotation) and draw(st.booleans()):
            index = next(i for i, c in enumerate(content["categories"]) if c["id"] == annotation["category_id"])
            shift = draw(st.sampled_from([0, 0, 1, 5]))
            found[names.index(annotation["image_id"])].append(
                [index, draw(SCORES), *corners(annotation["bbox"], shift)]
            )
    for index, score, box in draw(st.lists(st.tuples(st.integers(0, classes - 1), SCORES, BOXES), max_size=4)):
        found[draw(st.integers(0, len(names) - 1))].append([index, score, *corners(box)])
    return content, bad, list(enumerate(found))


def corners(box: list[float], shift: float = 0) -> list[float]:
    x, y, width, height = box
    return [x + shift, y, x + shift + width, y + height]


def has_box(annotation: dict[str, Any]) -> bool:
    box = annotation.get("bbox")
    return isinstance(box, list) and len(box) == 4 and all(map(is_number, box))


def order(values: list[Any]) -> list[Any]:
    """Numbers by size, and texts of whole numbers among them; then the other texts."""

    def key(value: Any) -> tuple[bool, Any]:
        try:
            return False, int(value) if isinstance(value, str) else value
        except ValueError:
            return True, value

    return sorted(dict.fromkeys(values), key=key)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 3.4e38


def reference(content: dict[str, Any], found: list[tuple[int, list[list[float]]]], renumber: bool) -> Any:
    """pycocotools' evaluation of what the file means, with the file's ids or with positions in their place."""
    images, classes = order([image["id"] for image in content["images"]]), [c["id"] for c in content["categories"]]
    annotations: list[dict[str, Any]] = []
    for each in content["annotations"]:
        if has_box(each):
            box = each["bbox"]
            area = each["area"] if is_number(each.get("area")) else box[2] * box[3]
            image, index = each["image_id"], each["category_id"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": images.index(image) if renumber else image,
                    "category_id": classes.index(index) if renumber else index,
                    "bbox": box,
                    "area": area,
                    "iscrowd": int(each.get("iscrowd") in (1, "1")),
                }
            )
    truth, results = COCO(), []
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in (range(len(images)) if renumber else images)],
        "annotations": annotations,
        "categories": [{"id": i, "name": ""} for i in (range(len(classes)) if renumber else classes)],
    }
    for position, rows in found:
        for index, score, x1, y1, x2, y2 in rows:
            image_id, category_id = (position, index) if renumber else (images[position], classes[int(index)])
            box = [x1, y1, x2 - x1, y2 - y1]
            results.append({"image_id": image_id, "category_id": category_id, "bbox": box, "score": score})
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    ranks = range(len(classes)) if renumber else [sorted(classes).index(value) for value in classes]
    return evaluation.stats, evaluation.eval["precision"][:, :, list(ranks)]


def check(content: dict[str, Any], bad: set[str], found: list[tuple[int, list[list[float]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, results = Path(folder) / "anno.json", Path(folder) / "bbox.json"
        file.write_text(json.dumps(content))
        dataset = COCODataSet(folder, "", "anno.json", allow_empty=True)
        if bad:
            with pytest.raises(UserError) as error:
                dataset.load()
            named = re.match(
                rf"{re.escape(str(file))}: ((?:images|annotations|categories)\[\d+\]\.\w+): found .*"
                r"; expected .*$",
                str(error.value),
            )
            assert named, str(error.value)
            assert named[1] in bad
            return
        dataset.load()
        assert list(map(repr, dataset.image_ids)) == list(map(repr, order([i["id"] for i in content["images"]])))
        rows = [(position, np.array(each, np.float32).reshape(-1, 6)) for position, each in found]
        save_results(results, rows, dataset.categories, dataset.image_ids)
        metric = CocoMetric(dataset.categories, dataset.records, dataset.truth)
        for im_id, each in load_results(results, dataset.categories, dataset.image_ids):
            metric.update(im_id, each)
        scores = list(metric.compute().values())
        if not any(each for _, each in found):
            assert scores == [0] * 12
            return
        ids = [entry["id"] for section in ("images", "categories") for entry in content[section]]
        plain = all(isinstance(value, int) and abs(value) < 2**53 for value in ids)
        for renumber in (True, False) if plain else (True,):
            with contextlib.redirect_stdout(io.StringIO()):
                stats, precision = reference(content, found, renumber)
            np.testing.assert_allclose(metric._evaluate().precision, precision, rtol=0, atol=1e-12)
            np.testing.assert_allclose(scores, stats, rtol=0, atol=1e-12)


COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=100, derandomize=True, **COMMON)
@given(cases())
def test_any_file_gives_pycocotools_numbers_or_names_the_entry(case: Any) -> None:
    check(*case)


@pytest.mark.slow
@settings(max_examples=2000, **COMMON)
@given(cases())
def test_two_thousand_files(case: Any) -> None:
    check(*case)
