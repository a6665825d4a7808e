"""Evaluation, drawing, export and quantization on a plug-in device give what evaluation gives on the CPU.

Tolerances: 1e-5 for scores and 0.01 pixels for boxes; the largest differences seen are 2e-7 and 1e-4.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppdet.deploy import Detector
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.export.paddle_format import program_file
from ppdet.metrics.results import save_results
from tests.device.machine import Machine
from tests.support.tiny import make_run
from tests.support.trained import installed_formats, make_weights

Entries = list[dict[str, Any]]  # in COCO's layout of results

_QUANTIZE = """
import cv2  # after Paddle 2.6.2 it would read no PNG
from ppdet.cli import run_tool
from ppdet.quantization import quantize
every = quantize.convolutions
quantize.convolutions = lambda model: every(model)[-3:]  # the search looks at three: all of them take half a minute
run_tool("quantize")
"""


@dataclass(frozen=True)
class Reference:
    """What the CPU detects, and its scores for an annotation file that makes them neither 0 nor 1."""

    machine: Machine
    detections: Entries
    scores: dict[str, float]

    def run(self, *command: str | Path, options: Iterable[str | Path] = (), overrides: Iterable[str] = ()) -> str:
        settings = ("-c", self.machine.config, *options)
        return self.machine.run(*command, *settings, "-o", "EvalDataset.anno_path=truth.json", *overrides)


@pytest.fixture(scope="module")
def reference(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    machine = Machine(plugin, tmp_path_factory.mktemp("tools")).prepare()
    make_weights(make_run(machine.config, "device=cpu"), machine.folder / "weights")
    machine.config.write_text(
        machine.config.read_text().replace("weights: null\nsave", f"weights: {machine.folder}/weights\nsave")
    )
    run = make_run(machine.config, "device=cpu")
    evaluator = build_evaluator(run)
    found = evaluator.detect(run.load_model())
    save_results(machine.folder / "cpu.json", found, evaluator.dataset.categories, evaluator.dataset.image_ids)
    detections = json.loads((machine.folder / "cpu.json").read_text())
    content = json.loads((machine.folder / "boxes.json").read_text()) | {"annotations": truths(detections[::7])}
    (machine.folder / "truth.json").write_text(json.dumps(content))
    scores = build_evaluator(make_run(machine.config, "device=cpu", "EvalDataset.anno_path=truth.json")).score(found)
    return Reference(machine, detections, scores)


def truths(detections: Entries) -> Entries:
    """Annotations of these objects, moved by 0 to 4 pixels."""
    annotations = []
    for number, one in enumerate(detections):
        x, y, width, height = one["bbox"]
        shape = {"bbox": [x + number % 5, y, width, height], "area": width * height, "iscrowd": 0}
        ids = {name: one[name] for name in ("image_id", "category_id")}
        annotations.append({"id": number + 1, **ids, **shape})
    return annotations


def rows(entries: Entries) -> np.ndarray:
    """[n, 7]: image, category, score, x, y, width, height."""
    return np.array([[one["image_id"], one["category_id"], one["score"], *one["bbox"]] for one in entries])


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """Each row has its like in the other table: rounding may change the order of almost equal scores."""
    assert len(found) == len(expected) > 0
    near = np.abs(found[:, None] - expected[None]) <= [0, 0, 1e-5, 0.01, 0.01, 0.01, 0.01]
    alike = near.all(axis=-1)
    assert alike.any(axis=0).all()
    assert alike.any(axis=1).all()


def test_evaluation(reference: Reference) -> None:
    folder = reference.machine.folder / "evaluated"
    text = reference.run("tools/eval.py", options=("--output_eval", folder))
    assert_alike(rows(json.loads((folder / "bbox.json").read_text())), rows(reference.detections))
    scores = [float(score) for score in re.findall(r"^ Average .* = (\S+)$", text, re.M)]
    assert scores == pytest.approx(list(reference.scores.values()), abs=0.001)
    assert 0.05 < reference.scores["AP"] < 0.95


def test_drawing(reference: Reference) -> None:
    """With a threshold that leaves nothing on one of the images."""
    expected = rows(reference.detections)
    best = sorted((expected[expected[:, 0] == image, 2].max(), int(image)) for image in np.unique(expected[:, 0]))
    (lowest, empty), (second, _) = best[:2]
    threshold = (lowest + second) / 2
    images, folder = reference.machine.folder / "images", reference.machine.folder / "drawn"
    options = ("--infer_dir", images, "--output_dir", folder, "--save_results", "--draw_threshold", "0")
    reference.run("tools/infer.py", options=options, overrides=[f"PicoHeadV2.nms.score_threshold={threshold}"])
    entries = json.loads((folder / "bbox.json").read_text())
    found = rows([entry | {"image_id": int(Path(entry["file_name"]).stem)} for entry in entries])
    assert_alike(found, expected[expected[:, 2] > threshold])
    for image in np.unique(expected[:, 0]).astype(int):
        name = f"{image}.png"
        untouched = np.array_equal(cv2.imread(str(images / name)), cv2.imread(str(folder / name)))
        assert untouched == (image == empty)


def test_export(reference: Reference) -> None:
    folder = reference.machine.folder / "exported"
    formats = [name for name in ("paddle", "onnx") if name in installed_formats()]
    log = reference.run("tools/export_model.py", options=("--output_dir", folder, "--format", ",".join(formats)))
    assert log.count("checked against the trained model") == 1
    image = reference.machine.folder / "images" / "1.png"
    expected = rows([entry for entry in reference.detections if entry["image_id"] == 1])
    for name in formats:
        model = program_file(folder / "tiny") if name == "paddle" else folder / "tiny" / "model.onnx"
        entries = Detector(model).detect(image, threshold=0).entries()
        assert_alike(
            rows([{**entry, "image_id": 1, "category_id": entry["category_id"] + 1} for entry in entries]), expected
        )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("paddle2onnx") is None, reason="needs paddle2onnx")
def test_quantization(reference: Reference) -> None:
    folder = reference.machine.folder / "quantized"
    options = ("--output_dir", folder, "--calib_images", "3", "--tolerance", "10")
    log = reference.run("-c", _QUANTIZE, options=options)
    assert "3 of 3 convolutions on maps go to INT8" in log
    report = json.loads((folder / "tiny" / "int8_report.json").read_text())
    by_file = {row["file"]: row["score"] for row in report["rows"]}
    assert list(by_file) == ["model.onnx", "model_int8.onnx"]
    assert by_file["model.onnx"] == pytest.approx(reference.scores["AP"], abs=0.002)
    assert by_file["model_int8.onnx"] > reference.scores["AP"] / 2  # random weights suffer more than trained ones
