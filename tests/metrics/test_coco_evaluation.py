"""Every library that may score gives pycocotools' numbers to the last digit, on real and on nasty random data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.metrics import coco_evaluation
from ppdet.metrics.coco_evaluation import LIBRARIES, evaluate

FAST = [name for name in LIBRARIES if name != "pycocotools"]
AREAS = (32.0**2, 96.0**2)  # where the ranges of area meet


def random_truth(rng: np.random.Generator, images: int = 40, classes: int = 6) -> dict[str, Any]:
    """Ids from 0 in steps of 3 and 5; crowds; areas on the limits; images and a class without ground truth."""
    annotations: list[dict[str, Any]] = []
    for image in range(images):
        for _ in range(rng.integers(0, 8) if image % 7 else 0):
            box = [*rng.uniform(0, 300, 2), *rng.uniform(3, rng.choice([40, 300]), 2)]
            box = [float(round(v)) if rng.random() < 0.2 else float(v) for v in box]
            area = float(rng.choice(AREAS)) if rng.random() < 0.1 else 0.7 * box[2] * box[3]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 3 * image,
                    "category_id": 5 * int(rng.integers(classes - 1)),
                    "bbox": box,
                    "area": area,
                    "iscrowd": int(rng.random() < 0.1),
                }
            )
    return {
        "info": {},
        "images": [{"id": 3 * i, "width": 500, "height": 500} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": 5 * i, "name": str(i)} for i in range(classes)],
    }


def random_detections(rng: np.random.Generator, truth: dict[str, Any]) -> np.ndarray:
    """Boxes near the truth and anywhere, many scores equal, some images without any and some with 260 of a class."""
    rows = []
    for number, image in enumerate(truth["images"]):
        near = [a for a in truth["annotations"] if a["image_id"] == image["id"]]
        crowded = number % 17 == 3
        for _ in range(260 if crowded else rng.integers(0, 30) if number % 5 else 0):
            box, category = rng.uniform(1, 200, 4), 5 * rng.integers(len(truth["categories"]))
            if near and rng.random() < 0.6:
                chosen = near[rng.integers(len(near))]
                box = np.array(chosen["bbox"]) * rng.choice([1, 1 + 0.1 * rng.standard_normal()], 4)
                category = chosen["category_id"]
            score = round(rng.random(), 1) if rng.random() < 0.5 else rng.random()
            rows.append([image["id"], *np.float32(box), np.float32(score), 10 if crowded else category])
    return np.array(rows, np.float64)


def assert_equal(truth: dict[str, Any], detections: np.ndarray, im_ids: list[int], library: str) -> None:
    category_ids = sorted(category["id"] for category in truth["categories"])
    expected = evaluate(truth, detections, im_ids, category_ids, ["pycocotools"])
    found = evaluate(truth, detections, im_ids, category_ids, [library])
    assert expected.stats[0] > 0
    assert found.stats.tolist() == expected.stats.tolist()
    assert np.array_equal(found.precision, expected.precision)


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("seed", range(4))
def test_random_data(library: str, seed: int) -> None:
    """With odd seeds on every second image, so that detections lie outside the scored set."""
    pytest.importorskip(library)
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    im_ids = [image["id"] for image in truth["images"]][:: 1 + seed % 2]
    assert_equal(truth, random_detections(rng, truth), im_ids, library)


@pytest.mark.parametrize("library", FAST)
@pytest.mark.parametrize("model", ["picodet_xs_320_coco_lcnet", "picodet_s_320_coco_esnet"])
def test_real_data(shared: Path, library: str, model: str) -> None:
    pytest.importorskip(library)
    truth = json.loads((shared / "data/coco_tiny/annotations/instances_val2017.json").read_text())
    results = json.loads((shared / f"golden/detections/{model}.coco_tiny_val.json").read_text())
    rows = [[r["image_id"], *r["bbox"], r["score"], r["category_id"]] for r in results]
    assert_equal(truth, np.array(rows), sorted(image["id"] for image in truth["images"]), library)


def test_a_difference_would_be_seen() -> None:
    rng = np.random.default_rng(0)
    truth = random_truth(rng)
    detections = random_detections(rng, truth)
    im_ids, category_ids = [image["id"] for image in truth["images"]], list(range(0, 30, 5))
    first = evaluate(truth, detections, im_ids, category_ids)
    detections[:, 5] = rng.permutation(detections[:, 5])
    assert evaluate(truth, detections, im_ids, category_ids).stats.tolist() != first.stats.tolist()


def test_libraries_that_are_missing_are_passed_over() -> None:
    rng = np.random.default_rng(0)
    truth = random_truth(rng)
    arguments = truth, random_detections(rng, truth), [image["id"] for image in truth["images"]], [0, 5]
    assert evaluate(*arguments, ["no_such_library", "pycocotools"]).stats[0] > 0
    with pytest.raises(UserError, match="metric: none of no_such_library can be imported"):
        evaluate(*arguments, ["no_such_library"])
    assert coco_evaluation.LIBRARIES[-1] == "pycocotools"


def test_pycocotools_can_be_imported_after_paddle() -> None:
    """It unpacks itself with zlib, of which Paddle 2.6 has one of its own."""
    code = (
        "import ppdet, paddle; from ppdet.metrics.coco_evaluation import evaluate; import numpy; "
        "truth = {'images': [{'id': 0}], 'categories': [{'id': 0}], 'annotations': [{'id': 1, 'image_id': 0, "
        "'category_id': 0, 'bbox': [1, 2, 30, 40], 'area': 1200, 'iscrowd': 0}], 'info': {}}; "
        "print(round(evaluate(truth, numpy.array([[0, 1, 2, 30, 40, 0.5, 0]]), [0], [0], ['pycocotools']).stats[0], 6))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["1.0"]), done.stderr
