"""Detectors of other projects: boxes, scores and classes, or rows, with an infer_cfg.yml beside the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from ppdet.deploy import Detector
from ppdet.deploy.errors import DeployError
from ppdet.deploy.other_outputs import as_nms_outputs

BOXES = np.float32([[[1, 2, 3, 4], [5, 6, 7, 8]], [[0, 0, 9, 9], [0, 0, 0, 0]]])
SCORES = np.float32([[0.75, 0.5], [0.25, 0]])
CLASSES = np.float32([[1, 0], [2, -7]])
ROWS = [[1, 0.75, 1, 2, 3, 4], [0, 0.5, 5, 6, 7, 8], [2, 0.25, 0, 0, 9, 9], [-1, 0, 0, 0, 0, 0]]
KINDS = {
    "boxes, scores, classes": [BOXES, SCORES, CLASSES],
    "boxes, whole classes, scores": [BOXES, CLASSES.astype(np.int64), SCORES],
    "rows": [np.concatenate([BOXES, SCORES[..., None], CLASSES[..., None]], axis=2)],
}


@pytest.mark.parametrize("outputs", KINDS.values(), ids=KINDS.keys())
def test_outputs_of_others_become_those_of_nms(outputs: list[np.ndarray]) -> None:
    rows, counts = as_nms_outputs(outputs)
    assert rows.dtype == np.float32
    assert (rows.tolist(), counts.tolist()) == (ROWS, [2, 2])


def test_one_image_without_a_batch_axis() -> None:
    rows, counts = as_nms_outputs([BOXES[0], SCORES[0], CLASSES[0]])
    assert (rows.tolist(), counts.tolist()) == (ROWS[:2], [2])


@pytest.mark.parametrize(
    "shapes", [[(5, 6), (1,)], [(5, 6)], [(1, 9, 4), (1, 2, 9)], [(1, 9, 3), (1, 9), (1, 9)], [(1, 64, 3), (1, 64, 32)]]
)
def test_others_are_left_as_they_are(shapes: list[tuple[int, ...]]) -> None:
    outputs = [np.zeros(shape, np.float32) for shape in shapes]
    assert as_nms_outputs(outputs) is outputs


def write_model(folder: Path, config: dict[str, object]) -> Path:
    """A model that finds one object of class 1, score 0.75, at [8, 8, 24, 16] of its input, whatever the image."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    values = {"boxes": np.float32([[[8, 8, 24, 16]]]), "scores": np.float32([[0.75]]), "classes": np.int64([[1]])}
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(v)) for name, v in values.items()
    ]
    types = {"boxes": TensorProto.FLOAT, "scores": TensorProto.FLOAT, "classes": TensorProto.INT64}
    outputs = [helper.make_tensor_value_info(name, types[name], value.shape) for name, value in values.items()]
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 32, 32])
    graph = helper.make_graph(constants, "other", [image], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "other.onnx"))
    (folder / "infer_cfg.yml").write_text(yaml.safe_dump(config))
    return folder


def test_a_detector_of_another_project(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    preprocess = [{"type": "Resize", "target_size": [32, 32], "keep_ratio": False}]
    labels = ["cat", "dog"]
    folder = write_model(tmp_path / "other", {"Preprocess": preprocess, "label_list": labels})
    found = Detector(folder, "onnxruntime").detect(np.zeros((64, 128, 3), np.uint8))
    assert (found.names, found.scores.tolist(), found.boxes.tolist()) == (("dog",), [0.75], [[32, 16, 96, 32]])
    write_model(tmp_path / "few", {"Preprocess": preprocess, "label_list": labels[:1]})
    with pytest.raises(DeployError, match="label_list: found 1 names, and the model has a class of number 1"):
        Detector(tmp_path / "few", "onnxruntime").detect(np.zeros((64, 128, 3), np.uint8))
