"""tools/thresholds.py: from detections or a model to the file, and from the file to the boxes that are drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.support.workspaces import Tools, Workspace


def write_detections(coco: Workspace) -> Path:
    """Each object is found with 0.9, and with 0.6 a second time somewhere else."""
    entries = []
    for annotation in coco.annotations("val")["annotations"]:
        x, y, width, height = annotation["bbox"]
        entries.append({**annotation, "score": 0.9})
        entries.append({**annotation, "bbox": [x + 1000, y, width, height], "score": 0.6})
    path = coco.root / "bbox.json"
    path.write_text(json.dumps(entries))
    return path


def test_from_detections(tools: Tools, coco: Workspace) -> None:
    found, path = write_detections(coco), coco.root / "t.yml"
    out, log = tools.run("thresholds", "-c", coco.config, "--detections", found, "--precision", "0.9", "--output", path)
    content = yaml.safe_load(path.read_text())
    objects = len(json.loads(found.read_text())) // 2
    assert list(content["thresholds"]) == ["red", "green", "blue"]
    assert {line["threshold"] for line in content["thresholds"].values()} == {0.75}
    assert sum(line["objects"] for line in content["thresholds"].values()) == objects
    assert content["together"] == {"precision": 1, "recall": 1, "f1": 1}
    assert content["one_threshold_for_all"] == {"threshold": 0.75, "precision": 1, "recall": 1, "f1": 1}
    assert (content["goal"], content["iou"], content["detections"]) == ("precision 0.9", 0.5, str(found))
    assert "weights_sha256" not in content
    assert "few objects: mostly as all classes" in out
    assert out.splitlines()[-1] == "chosen for precision 0.9"
    assert f"{path}: written; add it to ppdet export with --thresholds" in log


def test_from_the_model_to_the_picture(tools: Tools, coco: Workspace, weights: Path) -> None:
    options = ("-c", coco.config, "-o", f"weights={weights}")
    tools.run("thresholds", *options, "--iou", "0.11", "--recall", "0.1")
    path = coco.root / "output" / "tiny" / "thresholds.yml"
    content = yaml.safe_load(path.read_text())
    assert len(content["weights_sha256"]) == 64
    image = next((coco.data / "val").iterdir())
    draw = ("infer", *options, "--infer_img", image, "--output_dir", coco.root / "pictures")
    _, log = tools.run(*draw, "--thresholds", path)
    assert "boxes, thresholds of the classes " in log
    tools.run("export_model", *options, "--thresholds", path, "--output_dir", coco.root / "exported")
    written = yaml.safe_load((coco.root / "exported" / "tiny" / "infer_cfg.yml").read_text())
    assert written["thresholds"] == [line["threshold"] for line in content["thresholds"].values()]
    for explicit in ([], ["--thresholds", path]):
        _, log = tools.run(*draw, *explicit, "--draw_threshold", "0.5")
        assert "boxes, threshold 0.50" in log
    _, log = tools.run(*draw)
    assert "boxes, threshold 0.50" in log


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "1.5"], "--precision: found 1.5; expected more than 0 and at most 1"),
        (["--recall", "0"], "--recall: found 0; expected more than 0 and at most 1"),
        (["--precision", "nan"], "--precision: found nan; expected more than 0 and at most 1"),
        (["--iou", "0.05"], "iou: found 0.05; expected more than 0.1 and at most 1"),
    ],
)
def test_wrong_options(options: list[str], message: str, tools: Tools, coco: Workspace) -> None:
    found = write_detections(coco)
    assert tools.fail("thresholds", "-c", coco.config, "--detections", found, *options) == message


def test_goals_out_of_reach(tools: Tools, coco: Workspace) -> None:
    path = write_detections(coco)
    entries = json.loads(path.read_text())
    wrong = [{**entry, "score": 0.95} for entry in entries if entry["score"] == 0.6]
    command = ("thresholds", "-c", coco.config, "--detections", path, "--output", coco.root / "t.yml")
    path.write_text(json.dumps([*wrong, *(entry for entry in entries if entry["score"] == 0.9)]))
    error = tools.fail(*command, "--precision", "0.9")
    assert error.startswith("--precision: found 0.9; expected at most 0.5, the most that a threshold reaches over all ")
    path.write_text(json.dumps(wrong))
    for goal in (["--recall", "0.5"], ["--f1"]):
        assert "no detection is right; expected some" in tools.fail(*command, *goal)
    assert not (coco.root / "t.yml").exists()


def test_files_that_are_not_there(tools: Tools, coco: Workspace) -> None:
    error = tools.fail("thresholds", "-c", coco.config, "--detections", coco.root / "none.json")
    assert error == f"{coco.root}/none.json: there is no such file; write it first with --output_eval"
