"""tools/data.py suspects: from a config and weights to the files, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.workspaces import LOG_LINE, Tools, Workspace

NAMES = {11: "red", 12: "green", 13: "blue"}


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "suspects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def box(row: dict[str, str], prefix: str = "") -> list[float]:
    """The box of a line, [x, y, width, height]; empty if it has none."""
    corners = [row[prefix + name] for name in ("x1", "y1", "x2", "y2")]
    if not any(corners):
        return []
    x1, y1, x2, y2 = map(float, corners)
    return [x1, y1, x2 - x1, y2 - y1]


def said(log: str) -> list[str]:
    """The lines of a log without their beginnings."""
    return [LOG_LINE.sub("", line) for line in log.splitlines()]


def test_files(tools: Tools, coco: Workspace, weights: Path) -> None:
    """Every line is about a label of the file or a detection of `eval`; the JSON says the same as the table."""
    model = ["-c", coco.config, "-o", f"weights={weights}"]
    tools.run("eval", *model, "--output_eval", coco.root / "detections")
    _, log = tools.run("data", "suspects", *model, "--sure", 0.01, "--pictures", 3)

    folder = coco.output / "suspects_val"
    rows, labels = table(folder), {each["id"]: each for each in coco.annotations("val")["annotations"]}
    detections = json.loads((coco.root / "detections" / "bbox.json").read_text())
    found = {(each["image_id"], NAMES[each["category_id"]], round(each["score"], 4)) for each in detections}
    kinds = [row["kind"] for row in rows]
    assert {"missing"} < set(kinds)
    sures = [float(row["sure"]) for row in rows]
    assert sures == sorted(sures, reverse=True)
    assert [row["rank"] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    for row in rows:
        if row["kind"] == "missing":
            assert (row["labeled_class"], row["annotation_id"], box(row)) == ("", "", [])
            assert (int(row["image_id"]), row["suggested_class"], float(row["sure"])) in found
        else:
            label = labels[int(row["annotation_id"])]
            assert (row["image_id"], row["labeled_class"]) == (str(label["image_id"]), NAMES[label["category_id"]])
            assert box(row) == pytest.approx(label["bbox"], abs=0.011)
            assert (not box(row, "suggested_")) == (row["kind"] == "spurious")

    written = json.loads((folder / "suspects.json").read_text())
    assert written["categories"] == [{"id": number, "name": name} for number, name in NAMES.items()]
    for row, annotation in zip(rows, written["annotations"], strict=True):
        assert (annotation["kind"], str(annotation["image_id"])) == (row["kind"], row["image_id"])
        assert NAMES[annotation["category_id"]] == (row["suggested_class"] or row["labeled_class"])
        assert annotation["bbox"] == pytest.approx(box(row, "suggested_") or box(row), abs=0.011)
        assert annotation["score"] == float(row["sure"])
        assert str(annotation["label_id"] or "") == row["annotation_id"]
    sizes = {each["file_name"]: (each["width"], each["height"]) for each in coco.annotations("val")["images"]}
    assert {each["file_name"]: (each["width"], each["height"]) for each in written["images"]}.items() <= sizes.items()

    pages = {path.name for path in folder.glob("*.png")}
    assert pages == {f"{kind}_1.png" for kind in set(kinds)}
    assert cv2.imread(str(folder / "missing_1.png")).shape == (240 + 18 + 6 + 6, 3 * (240 + 6) + 6, 3)
    numbers = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("missing", "spurious", "placed", "mislabeled"))
    lines = said(log)
    assert lines[-6] == f"{folder}: 4 images searched: {numbers}"
    assert lines[-5].startswith(f"{rows[0]['file']}: ")
    assert lines[-5].endswith(f"{rows[0]['kind']} {sures[0]:.2f}")


def test_training_images_of_another_format(tools: Tools, voc: Workspace, weights: Path) -> None:
    """VOC has no ids: images count from 0. No picture is asked for."""
    output = voc.root / "found"
    model = ["-c", voc.config, "-o", f"weights={weights}"]
    tools.run("data", "suspects", *model, "--split", "train", "--output", output, "--pictures", 0, "--sure", 0.01)
    rows = table(output)
    assert {int(row["image_id"]) for row in rows} <= set(range(6))
    assert {row["annotation_id"] for row in rows} == {""}
    assert sorted(path.name for path in output.iterdir()) == ["suspects.csv", "suspects.json"]


def test_images_without_labels_are_searched(tools: Tools, coco: Workspace, weights: Path) -> None:
    """TrainDataset leaves them out of training."""
    content = coco.annotations("train")
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] != 2]
    coco.annotate("train", content)
    output = coco.root / "found"
    tools.run("data", "suspects", "-c", coco.config, "--split", "train", "--output", output, "-o", f"weights={weights}")
    assert {row["kind"] for row in table(output) if row["image_id"] == "2"} == {"missing"}


def test_classes_in_another_order(tools: Tools, coco: Workspace, weights: Path) -> None:
    """They are refused, or matched by name on request: then the findings are those of the other order."""
    run = ["data", "suspects", "-c", coco.config, "--sure", 0.01, "--pictures", 0, "-o", f"weights={weights}"]
    tools.run(*run, "--output", coco.root / "before")
    content = coco.annotations("val")
    coco.annotate("val", {**content, "categories": content["categories"][::-1]})
    error = tools.fail(*run, "--output", coco.root / "after")
    assert "EvalDataset" in error
    assert "--remap_classes" in error
    tools.run(*run, "--output", coco.root / "after", "--remap_classes")
    assert table(coco.root / "after") == table(coco.root / "before")


def test_nothing_to_report(tools: Tools, coco: Workspace, weights: Path) -> None:
    output = coco.root / "found"
    _, log = tools.run(
        *("data", "suspects", "-c", coco.config, "--sure", 0.99, "--output", output, "-o", f"weights={weights}")
    )
    assert said(log)[-1] == f"{output}: 4 images searched: 0 missing, 0 spurious, 0 placed, 0 mislabeled"
    assert table(output) == []
    assert json.loads((output / "suspects.json").read_text())["annotations"] == []


def test_planted_mistakes_in_photographs(tools: Tools, shared: Path, tmp_path: Path) -> None:
    """The published model names a mistake of each kind."""
    data = shared / "data" / "coco_tiny"
    content = json.loads((data / "annotations" / "instances_val2017.json").read_text())
    images = (85329, 122745, 184321, 252219, 297343)
    content["images"] = [each for each in content["images"] if each["id"] in images]
    labels = {each["id"]: each for each in content["annotations"] if each["image_id"] in images}
    removed = labels.pop(271021)  # the stop sign of 122745
    ids = {each["name"]: each["id"] for each in content["categories"]}
    train = labels[171481]
    assert train["category_id"] == ids["train"]
    train["category_id"] = ids["bus"]
    moved = labels[270208]  # a stop sign
    true_box = list(moved["bbox"])
    moved["bbox"][0] += 100  # of 190: an IoU of 0.31
    labels[1] = {"id": 1, "image_id": 184321, "category_id": ids["person"], "bbox": [0, 0, 80, 160], "iscrowd": 0}
    (tmp_path / "planted.json").write_text(json.dumps({**content, "annotations": list(labels.values())}))

    options = [f"weights={shared / 'weights' / 'picodet_xs_320_coco_lcnet.pdparams'}", "worker_num=0", "device=cpu"]
    dataset = (
        f"EvalDataset=!COCODataSet {{dataset_dir: {data}, image_dir: val2017, anno_path: {tmp_path}/planted.json}}"
    )
    run = ["-c", "picodet_xs_320_coco_lcnet", "--output", tmp_path / "found", "-o", dataset, *options]
    tools.run("data", "suspects", *run)
    first: dict[str, dict[str, str]] = {}
    for row in table(tmp_path / "found"):
        first.setdefault(row["kind"], row)
    assert (first["missing"]["image_id"], first["missing"]["suggested_class"]) == ("122745", "stop sign")
    assert overlap(box(first["missing"], "suggested_"), removed["bbox"]) > 0.8
    assert (first["mislabeled"]["annotation_id"], first["mislabeled"]["suggested_class"]) == ("171481", "train")
    assert first["placed"]["annotation_id"] == "270208"
    assert overlap(box(first["placed"], "suggested_"), true_box) > 0.8
    assert first["spurious"]["annotation_id"] == "1"
    assert min(float(row["sure"]) for row in first.values()) > 0.3


def overlap(a: list[float], b: list[float]) -> float:
    """The IoU of two boxes (x, y, width, height)."""
    sides = [min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
    inter = float(np.prod(np.maximum(sides, 0)))
    return inter / (a[2] * a[3] + b[2] * b[3] - inter)


@pytest.mark.parametrize("where", ["a folder", "a file"])
def test_an_output_that_exists(tools: Tools, coco: Workspace, weights: Path, where: str) -> None:
    output = coco.root / "mine"
    kept = output / "notes.txt" if where == "a folder" else output
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("keep")
    error = tools.fail("data", "suspects", "-c", coco.config, "--output", output, "-o", f"weights={weights}")
    assert error == f"--output: {output} exists already; give a new folder"
    assert kept.read_text() == "keep"


BAD: list[tuple[list[str], str]] = [
    ([], "weights: required, not given; add -o weights=<file, name or URL>"),
    (["-o", "weights=none/model.pdparams"], "none/model.pdparams: no such weights file; expected a path"),
    (["-o", "weights={weights}", "num_classes=4"], "num_classes: the config says 4 but"),
    (["-o", "weights={weights}", "EvalDataset=null"], "EvalDataset: expected a class"),
    (
        ["-o", "weights={weights}", "EvalDataset=!ImageFolder {{}}"],
        "EvalDataset: ImageFolder has no boxes; give an AutoDataset",
    ),
    (["--split", "test", "-o", "weights={weights}"], "argument --split: invalid choice: 'test'"),
    (["--sure", "2", "-o", "weights={weights}"], "argument --sure: found '2'; expected a share between 0 and 1"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input(tools: Tools, coco: Workspace, weights: Path, options: list[str], message: str) -> None:
    given: list[Any] = [option.format(weights=weights) for option in options]
    error = tools.fail("data", "suspects", "-c", coco.config, "--output", coco.root / "found", *given)
    assert error.startswith(message)
    assert not (coco.root / "found").exists()


def test_an_image_that_is_missing(tools: Tools, coco: Workspace, weights: Path) -> None:
    next((coco.data / "val").iterdir()).unlink()
    error = tools.fail(
        "data", "suspects", "-c", coco.config, "--output", coco.root / "found", "-o", f"weights={weights}"
    )
    assert "there is no such file" in error
    assert not (coco.root / "found").exists()
