"""NMS of ONNX operators against Paddle's operator."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppdet.modeling.nms import MultiClassNMS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

CLASSES, POINTS = 3, 60
RUNTIMES = ("onnxruntime", "openvino")


def nms_model(nms: MultiClassNMS) -> bytes:
    from ppdet.export.onnx_nms import append_nms

    shapes = {"boxes": ["batch", POINTS, 4], "scores": ["batch", CLASSES, POINTS]}
    inputs = [onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items()]
    graph = onnx.helper.make_graph([], "nms", inputs, [])
    append_nms(graph, nms.attrs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def run(runtime: str, model: bytes, boxes: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
    if runtime == "onnxruntime":
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        return session.run(None, {"boxes": boxes, "scores": scores})
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    found = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([boxes, scores])
    return [found[0], found[1]]


def make_inputs(batch: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (batch, POINTS, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (batch, POINTS, 2))], axis=-1)
    return boxes.astype("float32"), rng.uniform(0, 1, (batch, CLASSES, POINTS)).astype("float32")


def in_order(rows: np.ndarray) -> np.ndarray:
    """The detections of an image by class and score, of which no two are the same here."""
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("keep_top_k", [7, 100, -1])
@pytest.mark.parametrize("batch", [1, 4])
def test_equals_paddle(runtime: str, batch: int, keep_top_k: int) -> None:
    """Images with many detections, with a single one, and with none, in one batch."""
    nms = MultiClassNMS(score_threshold=0.5, nms_top_k=1000, keep_top_k=keep_top_k, nms_threshold=0.4)
    model = nms_model(nms)
    boxes, scores = make_inputs(batch, seed=batch)
    if batch == 4:
        scores[1] = 0.1
        scores[2] = 0.5  # not above the threshold
        scores[2, 1, 5] = 0.6
    expected = [x.numpy() for x in nms(paddle.to_tensor(boxes), paddle.to_tensor(scores))]
    bbox, bbox_num = run(runtime, model, boxes, scores)
    assert bbox_num.tolist() == expected[1].tolist()
    if batch == 4:
        assert bbox_num.tolist()[1:3] == [0, 1]
    assert max(bbox_num) == 7 or keep_top_k != 7
    ends = np.cumsum(bbox_num)[:-1]
    for rows, theirs in zip(np.split(bbox, ends), np.split(expected[0].reshape(-1, 6), ends), strict=True):
        np.testing.assert_allclose(in_order(rows), in_order(theirs), rtol=1e-6)
        assert (np.diff(rows[:, 1]) <= 0).all(), "the most confident first"


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("batch", [1, 3])
def test_no_detection_at_all(runtime: str, batch: int) -> None:
    model = nms_model(MultiClassNMS(score_threshold=0.5))
    boxes, scores = make_inputs(batch, seed=0)
    bbox, bbox_num = run(runtime, model, boxes, scores * 0.1)
    assert bbox.shape == (0, 6)
    assert bbox_num.tolist() == [0] * batch


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_large_batches_keep_the_order_of_close_scores(runtime: str) -> None:
    """Scores 1e-7 apart in the last of 300 images."""
    nms = MultiClassNMS(score_threshold=0.5, nms_threshold=1.0, keep_top_k=10)
    boxes, scores = make_inputs(300, seed=1)
    scores[:] = 0
    scores[-1, 0] = np.float32(0.9) - np.arange(POINTS, dtype="float32")[::-1] * np.float32(6e-8)
    assert len(np.unique(scores[-1, 0])) == POINTS
    bbox, bbox_num = run(runtime, nms_model(nms), boxes, scores)
    assert bbox_num.tolist() == [0] * 299 + [10]
    np.testing.assert_array_equal(bbox[:, 2:], boxes[-1, ::-1][:10])
