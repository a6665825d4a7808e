"""Exports without NMS: what the model gives, through the Detector as well, and only operators of small devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.deploy import Detector
from ppdet.deploy.detections import to_rows
from ppdet.deploy.model_config import read_config
from ppdet.deploy.postprocess import nms
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.export.export import export
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.small_devices import missing_operators
from ppdet.modeling import PicoDet
from ppdet.session import Session
from ppdet.training.checkpoint import save_weights
from tests.support.tiny import make_run, write_config, write_dataset
from tests.support.trained import installed_formats, make_weights

BACKEND = {"paddle": "paddle", "onnx": "onnxruntime", "openvino": "openvino"}


def write_model(folder: Path) -> Path:
    """A config whose weights are those of a PicoHeadE2E with a branch that matters."""
    write_dataset(folder)
    config = write_config(folder)
    with config.open("a") as file:
        file.write(f"PicoDet: {{head: PicoHeadE2E}}\nweights: {folder}/weights.pdparams\n")
    run = make_run(config)
    make_weights(run, folder / "weights")
    model = run.load_model()
    for gate in model.head.one_to_one:
        gate.logits.weight.set_value(paddle.randn(gate.logits.weight.shape) * 0.3)
    save_weights(folder / "weights", model, model.state_dict())
    return config


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Session, PicoDet, Path]:
    """The run, its model, and the folder with all formats that can be written here."""
    folder = tmp_path_factory.mktemp("e2e")
    run = make_run(write_model(folder), f"export.format={','.join(installed_formats())}", "export.nms=none")
    return run, run.load_model(), export(run, folder / "out")


@pytest.mark.parametrize("name", BACKEND)
def test_outputs_are_those_of_the_model(exported, name):
    """The image is the only input; boxes are in its pixels."""
    _, model, folder = exported
    if name not in installed_formats():
        pytest.skip(f"{name} cannot be written here")
    image = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype("float32")
    boxes, scores = EXPORT_FORMATS[name].run(folder, [image])
    with paddle.no_grad():
        expected_scores, expected_boxes = (x.numpy() for x in model.head.decode(model(paddle.to_tensor(image))))
    np.testing.assert_allclose(boxes, expected_boxes, atol=1e-3)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-3)
    assert 0 < np.count_nonzero(scores) < scores.size / 4


@pytest.mark.parametrize("name", BACKEND)
def test_the_detector_finds_what_evaluation_does(exported, name):
    run, model, folder = exported
    if name not in installed_formats():
        pytest.skip(f"{name} cannot be written here")
    detector = Detector(folder, BACKEND[name], threads=1)
    assert not detector.config.needs_nms
    evaluator = build_evaluator(run)
    expected = dict(evaluator.detect(model))
    threshold = model.head.nms.attrs["score_threshold"]
    for record in evaluator.dataset.records:
        found, rows = to_rows(detector.detect(record.im_file, threshold)), expected[record.im_id]
        assert len(found) == len(rows) > 0
        np.testing.assert_allclose(found[:, 1], rows[:, 1], atol=1e-3)
        np.testing.assert_allclose(found[0], rows[0], atol=0.05)


def test_boxes_of_one_tile_need_no_nms(exported):
    """Tiles are merged, but of the boxes in one tile all stay, though they overlap."""
    run, _, folder = exported
    detector = Detector(folder, "paddle", threshold=0.01, threads=1)
    image = build_evaluator(run).dataset.records[0].im_file
    rows = to_rows(detector.detect(image))
    assert len(nms(rows, detector.config.iou_threshold)) < len(rows)
    np.testing.assert_array_equal(to_rows(detector.detect_sliced(image)), rows)


def test_operators(exported):
    onnx = pytest.importorskip("onnx")
    if "onnx" not in installed_formats():
        pytest.skip("onnx cannot be written here")
    graph = onnx.load(str(exported[2] / "model.onnx")).graph
    assert missing_operators(graph) == []
    assert [value.name for value in graph.input] == ["image"]
    assert [value.name for value in graph.output] == ["boxes", "scores"]


def test_the_network_alone_has_filtered_maps(exported, tmp_path):
    """Layout 4d, from which small devices decode boxes themselves."""
    run, model, _ = exported
    overrides = ["export.post_process=false", "export.layout=4d", "export.format=paddle"]
    folder = export(make_run(Path(run.settings.weights).parent / "tiny.yml", *overrides), tmp_path)
    image = np.random.default_rng(0).standard_normal((1, 3, 64, 64)).astype("float32")
    outputs = EXPORT_FORMATS["paddle"].run(folder, [image])
    with paddle.no_grad():
        scores = model.head.scores(model(paddle.to_tensor(image))).numpy()
    found = np.concatenate([level.reshape(1, level.shape[1], -1) for level in outputs[:4]], axis=-1)
    np.testing.assert_allclose(found, scores, atol=1e-3)
    assert not read_config(next(folder.glob("model.json*"), folder / "model.pdmodel"), None).needs_nms
