"""`Detector` on a small model that finds one dog per image, as sure as the image is bright."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest

from ppdet.deploy import DeployError, Detector
from ppdet.deploy.backends.base import Port
from tests.deploy.conftest import INFER_CFG, make_model

BACKENDS = ("onnxruntime", "openvino")
BRIGHT, DARK = np.full((100, 200, 3), 250, np.uint8), np.full((40, 40, 3), 10, np.uint8)


@pytest.fixture(params=BACKENDS)
def detector(request, small):
    pytest.importorskip(request.param)
    return Detector(small, request.param, threads=1)


def test_one_image(detector):
    found = detector.detect(BRIGHT)
    np.testing.assert_allclose(found.boxes, [[50, 25, 150, 75]], rtol=1e-6)
    assert (found.boxes.dtype, found.scores.dtype, found.class_ids.dtype) == (np.float32, np.float32, np.int64)
    assert (found.class_ids.tolist(), found.names, len(found)) == ([1], ("dog",), 1)
    assert 0.9 < found.scores[0] < 1


def test_no_detection_and_thresholds(detector):
    empty = detector.detect(DARK)
    assert (len(empty), empty.boxes.shape, empty.names) == (0, (0, 4), ())
    assert len(detector.detect(DARK, threshold=0.0)) == 1
    with pytest.raises(DeployError, match="^threshold: found 2; expected"):
        detector.detect(DARK, threshold=2)


@pytest.fixture
def picky(tmp_path):
    """A model with thresholds, that of dogs above every score."""
    pytest.importorskip("onnxruntime")
    return make_model(tmp_path / "model.onnx", INFER_CFG | {"thresholds": [0.1, 0.99]})


def test_thresholds_of_the_model_are_the_default_and_a_number_wins(picky):
    detector = Detector(picky, "onnxruntime")
    assert detector.threshold.tolist() == pytest.approx([0.1, 0.99])
    counts = [len(detector.detect(BRIGHT, threshold)) for threshold in (None, "model", 0.5, 0)]
    assert counts == [0, 0, 1, 1]
    assert (
        len(detector.detect_sliced(BRIGHT, (64, 64)))
        == 0
        < len(detector.detect_sliced(BRIGHT, (64, 64), threshold=0.5))
    )
    other = Detector(picky, "onnxruntime", threshold=0.5)
    assert (other.threshold, len(other.detect(BRIGHT)), len(other.detect(BRIGHT, "model"))) == (0.5, 1, 0)
    assert Detector(picky, "onnxruntime", threshold=None).threshold.tolist() == pytest.approx([0.1, 0.99])


def test_an_array_is_no_threshold(picky):
    """Although the attribute is one: its entries belong to the classes of one model."""
    detector = Detector(picky, "onnxruntime")
    with pytest.raises(
        DeployError, match=r"^threshold: found array\(\[0\.1.*; expected a score between 0 and 1, or model$"
    ):
        detector.detect(BRIGHT, detector.threshold)


def test_a_model_without_thresholds_has_one_for_all_classes(small):
    for threshold in ("model", None):
        assert Detector(small, "onnxruntime", threshold=threshold).threshold == 0.5


def test_a_list_in_order(detector, tmp_path):
    """Files and arrays of all shapes, more than go into one batch."""
    path = tmp_path / "bright.png"
    cv2.imwrite(str(path), BRIGHT)
    images = [BRIGHT, DARK, path, BRIGHT[..., 0], np.dstack([BRIGHT, BRIGHT[..., 0]]), str(path)] * 3
    found = detector.detect(images)
    assert [len(each) for each in found] == [1, 0, 1, 1, 1, 1] * 3
    for each in (found[2], found[3], found[4], found[-1]):
        np.testing.assert_array_equal(each.boxes, found[0].boxes)
    assert detector.detect([]) == []


@pytest.mark.parametrize("size", [(1, 1), (6000, 8000), (2, 900)])
def test_extreme_sizes(detector, size):
    found = detector.detect(np.full((*size, 3), 255, np.uint8))
    height, width = size
    np.testing.assert_allclose(found.boxes, [[width / 4, height / 4, width * 3 / 4, height * 3 / 4]], rtol=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_size(batch, tmp_path):
    pytest.importorskip("onnxruntime")
    detector = Detector(make_model(tmp_path / "model.onnx", batch=batch), "onnxruntime")
    assert [len(each) for each in detector.detect([BRIGHT, DARK, BRIGHT, BRIGHT])] == [1, 0, 1, 1]


def test_order_of_colours(small):
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 2] = 255
    scores = {order: Detector(small, "onnxruntime", order=order).detect(blue, 0).scores for order in ("rgb", "bgr")}
    np.testing.assert_array_equal(scores["bgr"], Detector(small, "onnxruntime").detect(blue[..., ::-1], 0).scores)
    assert abs(scores["rgb"].item() - scores["bgr"].item()) > 1e-4


def test_sliced(detector):
    """The model sees one dog in each tile: four of 100 x 100 and the whole image, none of them the same."""
    image = np.full((200, 200, 3), 250, np.uint8)
    found = detector.detect_sliced(image, tile=(100, 100), overlap=0.0)
    whole, *tiles = sorted(found.boxes.tolist(), key=lambda box: box[0] - box[2])
    np.testing.assert_allclose(whole, [50, 50, 150, 150], rtol=1e-5)
    expected = [[x, y, x + 50, y + 50] for x in (25, 125) for y in (25, 125)]
    np.testing.assert_allclose(sorted(tiles), expected, rtol=1e-5)
    assert len(detector.detect_sliced(image, tile=(100, 100), overlap=0.0, whole=False)) == 4
    assert len(detector.detect_sliced(image[:90, :90], tile=(100, 100))) == 1


def test_infer_cfg_beside_the_model(tmp_path):
    pytest.importorskip("onnxruntime")
    import yaml

    model = make_model(tmp_path / "model.onnx", config=None)
    with pytest.raises(DeployError, match=r"model.onnx: has no infer_cfg, and there is no .*infer_cfg.yml; export"):
        Detector(model, "onnxruntime")
    (tmp_path / "infer_cfg.yml").write_text(yaml.safe_dump(INFER_CFG | {"label_list": ["cat", "wolf"]}))
    assert Detector(model, "onnxruntime").detect(BRIGHT).names == ("wolf",)


def test_no_yaml(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    model = make_model(tmp_path / "model.onnx", config=None)
    (tmp_path / "infer_cfg.yml").touch()
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(DeployError, match=r"infer_cfg.yml: PyYAML, .* is not installed; pip install pyyaml$"):
        Detector(model, "onnxruntime")


BAD_CONFIGS = {
    "another architecture": (INFER_CFG | {"arch": "YOLO"}, "arch: found YOLO; expected PicoDet"),
    "a list": ([1], "found list; expected keys"),
    "another size": (
        INFER_CFG | {"Preprocess": [{"type": "Resize", "target_size": [32, 32], "keep_ratio": False}]},
        "takes 64 x 64 pixels",
    ),
}


@pytest.mark.parametrize("kind", BAD_CONFIGS)
def test_bad_infer_cfg(kind, tmp_path):
    config, message = BAD_CONFIGS[kind]
    pytest.importorskip("onnxruntime")
    model = make_model(tmp_path / "model.onnx", config)
    with pytest.raises(DeployError) as raised:
        Detector(model, "onnxruntime")
    assert str(raised.value).startswith(str(model))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_bytes_are_not_normalized():
    class Bytes:
        inputs, infer_cfg = (Port("image", (1, 3, 64, 64), np.dtype("uint8")),), json.dumps(INFER_CFG)

        def run(self, feeds):
            return []

    with pytest.raises(DeployError, match="^Bytes: takes bytes, but its infer_cfg normalizes; export the model again$"):
        Detector(Bytes())


def test_broken_yaml(tmp_path):
    pytest.importorskip("onnxruntime")
    model = make_model(tmp_path / "model.onnx", config=None)
    (tmp_path / "infer_cfg.yml").write_text("a: [")
    with pytest.raises(DeployError, match=r"infer_cfg.yml: cannot be read \(.*\); export"):
        Detector(model, "onnxruntime")


def test_a_model_of_another_project(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 10]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"infer_cfg": json.dumps(INFER_CFG)})
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(DeployError, match=r"model.onnx: takes x \[1, 10\]; expected an image"):
        Detector(tmp_path / "model.onnx", "onnxruntime")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "^threads: found 0; expected 1 or more"),
        ({"threads": -2}, "^threads: found -2"),
        ({"batch_size": 0}, "^batch_size: found 0"),
        ({"threshold": 1.5}, "^threshold: found 1.5"),
        ({"order": "hsv"}, "^order: found hsv; expected rgb or bgr"),
        ({"backend": "tensorflow"}, "^backend: found tensorflow; expected auto, openvino, onnxruntime, paddle"),
    ],
)
def test_bad_options(options, message, small):
    with pytest.raises(DeployError, match=message):
        Detector(small, **({"backend": "onnxruntime"} | options))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["cat"], "label_list: found 1 names, and the model has a class of number 1"),
        (["cat", "dog", "cow"], "label_list: found 3 names, and the model has 2 classes"),
    ],
)
def test_labels_that_do_not_fit(labels, message, tmp_path):
    pytest.importorskip("onnxruntime")
    model = make_model(tmp_path / "model.onnx", INFER_CFG | {"label_list": labels})
    with pytest.raises(DeployError, match=f"^{model}: infer_cfg: {message}; expected a name for each class"):
        Detector(model, "onnxruntime").detect(BRIGHT)


@pytest.mark.parametrize("slope", [np.nan, np.inf, 10.0])
def test_scores_that_are_none(slope, tmp_path):
    """Of damaged or diverged weights; NaN would be less than any threshold and so nothing would be found."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    file = make_model(tmp_path / "model.onnx")
    model = onnx.load(file)
    weight = next(each for each in model.graph.initializer if each.name == "slope")
    weight.CopyFrom(onnx.numpy_helper.from_array(np.array(slope, np.float32), "slope"))
    onnx.save(model, file)
    with pytest.raises(DeployError, match=r"the model gives scores of .*; expected 0 to 1, and finite boxes"):
        Detector(file, "onnxruntime").detect(BRIGHT)


def test_a_stream_ends_at_an_image_that_cannot_be_read(detector, tmp_path):
    results = detector.stream([BRIGHT, DARK, tmp_path / "none.jpg", BRIGHT])
    assert [len(next(results)), len(next(results))] == [1, 0]
    with pytest.raises(DeployError, match=r"none.jpg: cannot be read"):
        next(results)
    with pytest.raises(DeployError, match="^threshold: found 2; expected"):
        detector.stream([BRIGHT], threshold=2)  # at once, not at the first image
