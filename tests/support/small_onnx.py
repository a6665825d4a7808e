"""A detector of a few convolutions as an ONNX model, with outputs as an export without NMS has them."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZE, POINTS, CLASSES = 16, 64, 3
CONVS = ("stem", "squeeze", "boxes_conv", "scores_conv")


def small_model(stem_scale: float = 1.0, batch: int | str = "batch") -> Any:
    """image [B, 3, 16, 16] -> boxes [B, 64, 4], scores [B, 3, 64].

    Convolutions: `stem`, whose first channel is `stem_scale` times as large as the others (which the next layers undo),
    `squeeze` on a 1 x 1 map, `boxes_conv` and `scores_conv`.
    """
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    scale = np.ones(16, np.float32)
    scale[0] = stem_scale

    def weight(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32) / np.sqrt(np.prod(shape[1:], dtype=np.float32))

    arrays = {
        "stem_w": weight(16, 3, 3, 3) * scale[:, None, None, None],
        "squeeze_w": weight(16, 16, 1, 1),
        "boxes_w": weight(8, 16, 1, 1) / scale.reshape(1, 16, 1, 1),
        "scores_w": weight(8, 16, 1, 1) / scale.reshape(1, 16, 1, 1),
        "boxes_shape": np.array([0, 4, POINTS * 2]),
        "scores_shape": np.array([0, 8, POINTS]),
        "start": np.array([0]),
        "classes": np.array([CLASSES]),
        "points": np.array([POINTS]),
        "one": np.array([1]),
        "two": np.array([2]),
        "corners": np.array([-1, -1, 1, 1], np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "stem_w"], ["x"], "stem", strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Conv", ["mean", "squeeze_w"], ["unused"], "squeeze"),
        helper.make_node("Conv", ["x", "boxes_w"], ["b0"], "boxes_conv"),
        helper.make_node("Reshape", ["b0", "boxes_shape"], ["b1"]),
        helper.make_node("Transpose", ["b1"], ["b2"], perm=[0, 2, 1]),
        helper.make_node("Slice", ["b2", "start", "points", "one"], ["b3"]),
        helper.make_node("Exp", ["b3"], ["b4"]),
        helper.make_node("Mul", ["b4", "corners"], ["boxes"]),
        helper.make_node("Conv", ["x", "scores_w"], ["s0"], "scores_conv"),
        helper.make_node("Reshape", ["s0", "scores_shape"], ["s1"]),
        helper.make_node("Slice", ["s1", "start", "classes", "one"], ["s2"]),
        helper.make_node("Sigmoid", ["s2"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", 1, [batch, 3, SIZE, SIZE])],
        [
            helper.make_tensor_value_info("boxes", 1, [batch, POINTS, 4]),
            helper.make_tensor_value_info("scores", 1, [batch, CLASSES, POINTS]),
        ],
        [numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def images(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{"image": rng.standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)} for _ in range(count)]
