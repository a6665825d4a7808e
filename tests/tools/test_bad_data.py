"""Broken datasets: an error that names the file, or a warning with a count where training can go on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.workspaces import Tools, Workspace, coco_workspace

QUICK = ["-o", "epoch=1"]


def test_missing_annotations(tools: Tools, coco: Workspace) -> None:
    (coco.data / "train.json").unlink()
    error = tools.fail("train", "-c", coco.config)
    assert error.startswith(f"{coco.data}/train.json: there is no such file (the COCO annotations); check dataset_dir")
    assert "download_coco.py" in error


def test_missing_image_folder(tools: Tools, coco: Workspace) -> None:
    (coco.data / "train").rename(coco.data / "elsewhere")
    error = tools.fail("train", "-c", coco.config)
    assert error.startswith(f"{coco.data}/train: there is no such folder (the images); check dataset_dir")


def test_missing_evaluation_data_is_found_before_training(tools: Tools, coco: Workspace) -> None:
    (coco.data / "val.json").unlink()
    assert tools.fail("train", "-c", coco.config, "--eval").startswith(f"{coco.data}/val.json: there is no such file")
    assert not coco.output.exists()


def test_a_missing_evaluation_image_is_found_before_training(tools: Tools, coco: Workspace) -> None:
    (coco.data / "val" / "3.png").unlink()
    assert tools.fail("train", "-c", coco.config, "--eval").startswith(f"{coco.data}/val/3.png: cannot be read (there")
    assert not coco.output.exists()


def test_a_folder_of_images_has_no_boxes(tools: Tools, coco: Workspace, weights: Path) -> None:
    folder = f"!ImageFolder {{dataset_dir: {coco.data}, image_dir: train, anno_path: train.json}}"
    expected = "ImageFolder has no boxes; give an AutoDataset"
    assert tools.fail("train", "-c", coco.config, "-o", f"TrainDataset={folder}") == f"TrainDataset: {expected}"
    assert tools.fail("train", "-c", coco.config, "--eval", "-o", f"EvalDataset={folder}") == f"EvalDataset: {expected}"
    error = tools.fail("eval", "-c", coco.config, "-o", f"weights={weights}", f"EvalDataset={folder}")
    assert error == f"EvalDataset: {expected}"
    assert not coco.output.exists()


def test_missing_voc_files(tools: Tools, voc: Workspace) -> None:
    for file in (voc.data / "Annotations").glob("train_*.xml"):
        file.unlink()
    assert tools.fail("train", "-c", voc.config).startswith(f"{voc.data}/train.txt: no image has an XML file in ")
    (voc.data / "train.txt").unlink()
    error = tools.fail("train", "-c", voc.config)
    assert error.startswith(f"{voc.data}/train.txt: there is no such file (the list of images); check dataset_dir")


def test_json_cut_short(tools: Tools, coco: Workspace) -> None:
    file = coco.data / "train.json"
    file.write_text(file.read_text()[:200])
    error = tools.fail("train", "-c", coco.config)
    assert error.startswith(f"{file}: not valid JSON (")
    assert error.endswith("the file is probably cut short, fetch it again")


@pytest.mark.parametrize(("key", "section"), [("image_id", "images"), ("category_id", "categories")])
def test_annotation_of_something_unknown(key: str, section: str, tools: Tools, coco: Workspace) -> None:
    content = coco.annotations("train")
    content["annotations"][3][key] = 99
    coco.annotate("train", content)
    error = tools.fail("train", "-c", coco.config)
    assert error.startswith(f"{coco.data}/train.json: annotations[3].{key}: found 99; expected the id of one of the")
    assert error.endswith(f"file's {section}; correct or remove the annotation")


@pytest.mark.parametrize("name", ["train", "eval"])
def test_num_classes_of_another_dataset(name: str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail(name, "-c", coco.config, "-o", "num_classes=5")
    split = "train" if name == "train" else "val"
    said = f"num_classes: the config says 5 but {coco.data}/{split}.json has 3 classes; set num_classes: 3"
    assert error == said


def test_num_classes_when_inferring_and_exporting(tools: Tools, coco: Workspace, weights: Path) -> None:
    options = ["-c", coco.config, "-o", f"weights={weights}", "num_classes=5"]
    for name, more in (("infer", ["--infer_dir", coco.data / "val"]), ("export_model", [])):
        error = tools.fail(name, *options, *more, "--output_dir", coco.root / "out")
        assert "num_classes" in error
        assert not (coco.root / "out").exists()


BAD_BOXES = [
    [1000, 1000, 20, 20],  # outside
    [5, 5, 0, 10],
    [5, 5, -3, 10],
    [math.nan, 5, 10, 10],
    [5, math.inf, 10, 10],
    [1, 2, 3],
    None,
    "box",
]


def spoil_boxes(coco: Workspace, split: str) -> int:
    """Adds every bad box to the split; returns how many there are."""
    content = coco.annotations(split)
    for box in BAD_BOXES:
        content["annotations"].append({"id": 1000, "image_id": 1, "category_id": 11, "bbox": box, "iscrowd": 0})
    reaching_outside = {"id": 2000, "image_id": 1, "category_id": 11, "bbox": [40, 30, 100, 100], "iscrowd": 0}
    content["annotations"].append(reaching_outside)
    coco.annotate(split, content)
    return len(BAD_BOXES)


def test_training_with_bad_boxes_warns_once(tools: Tools, coco: Workspace) -> None:
    count = spoil_boxes(coco, "train")
    _, log = tools.run("train", "-c", coco.config, *QUICK)
    warnings = [line for line in log.splitlines() if " W " in line and str(coco.data) in line]
    assert len(warnings) == 1
    assert f"{coco.data}/train.json: dropped {count} boxes" in warnings[0]
    assert "clipped 1 " in warnings[0]


def test_evaluation_with_bad_boxes(tools: Tools, coco: Workspace, weights: Path) -> None:
    count = spoil_boxes(coco, "val")
    out, log = tools.run("eval", "-c", coco.config, "-o", f"weights={weights}")
    assert f"dropped {count} boxes" in log
    assert "nan" not in out


def test_voc_boxes_that_are_no_numbers(tools: Tools, voc: Workspace) -> None:
    file = voc.data / "Annotations" / "train_0.xml"
    file.write_text(file.read_text().replace("<xmin>", "<xmin>abc", 1))
    _, log = tools.run("train", "-c", voc.config, *QUICK)
    assert "dropped 1 boxes" in log


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


SPOILERS: dict[str, Callable[[Path], Any]] = {
    "missing": Path.unlink,
    "truncated": cut,
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("<html>not found</html>"),
}


@pytest.mark.parametrize("kind", SPOILERS)
def test_training_leaves_out_an_unreadable_image(kind: str, tools: Tools, coco: Workspace) -> None:
    SPOILERS[kind](coco.data / "train" / "3.png")
    _, log = tools.run("train", "-c", coco.config)
    warnings = [line for line in log.splitlines() if " W " in line]
    assert len(warnings) == 1  # in two epochs
    assert f"{coco.data}/train/3.png: " in warnings[0]
    assert "(image left out; 1 of 6 are unreadable so far)" in warnings[0]


def test_training_stops_when_too_many_images_are_unreadable(tools: Tools, tmp_path: Path) -> None:
    coco = coco_workspace(tmp_path, train=8)
    for number in (1, 2, 3, 4):
        (coco.data / "train" / f"{number}.png").unlink()
    error = tools.fail("train", "-c", coco.config)
    assert error.startswith(f"{coco.data}/train/")
    assert "are unreadable" in error


@pytest.mark.parametrize("kind", SPOILERS)
def test_evaluation_names_an_unreadable_image(kind: str, tools: Tools, coco: Workspace, weights: Path) -> None:
    SPOILERS[kind](coco.data / "val" / "3.png")
    error = tools.fail("eval", "-c", coco.config, "-o", f"weights={weights}", "--output_eval", coco.root / "out")
    assert error.startswith(f"{coco.data}/val/3.png: ")
    assert not (coco.root / "out").exists()


def test_evaluation_with_workers_names_an_unreadable_image(tools: Tools, coco: Workspace, weights: Path) -> None:
    cut(coco.data / "val" / "3.png")
    error = tools.fail("eval", "-c", coco.config, "-o", f"weights={weights}", "worker_num=1")
    assert error.startswith(f"{coco.data}/val/3.png: ")


def test_inference_names_an_unreadable_image(tools: Tools, coco: Workspace, weights: Path) -> None:
    (coco.data / "val" / "3.png").write_bytes(b"no image")
    image = coco.data / "val" / "3.png"
    options = ["-o", f"weights={weights}", "--infer_img", image, "--output_dir", coco.root / "out"]
    assert tools.fail("infer", "-c", coco.config, *options).startswith(f"{image}: ")


def test_annotations_of_no_image(tools: Tools, coco: Workspace) -> None:
    coco.annotate("train", json.loads('{"images": [], "annotations": [], "categories": []}'))
    assert "train.json: lists no images; check" in tools.fail("train", "-c", coco.config)
