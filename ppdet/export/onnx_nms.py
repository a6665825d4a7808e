"""Class-wise NMS at the end of an ONNX graph, made of standard operators only."""

from __future__ import annotations

from typing import Any

import numpy as np


def append_nms(graph: Any, attrs: dict[str, Any]) -> None:
    """Replace the outputs `boxes` [B, L, 4] and `scores` [B, C, L] of an onnx.GraphProto, in place.

    The new outputs are those of Paddle's multiclass_nms3 with `attrs`: `bbox` [M, 6] (class, score, x1, y1, x2, y2) and
    `bbox_num` [B] int32, for any B and for M = 0. Rows are grouped by image, the most confident first. `nms_top_k` has
    no counterpart: no class is cut before NMS, which only changes classes with more candidates than that.
    """
    g = _Nodes(graph)
    zero, one = g.const([0]), g.const([1])
    keep = g.const([attrs["keep_top_k"] if attrs["keep_top_k"] >= 0 else np.iinfo(np.int32).max])

    # no image keeps more than keep_top_k boxes, so no class does either
    limits = keep, g.const([attrs["nms_threshold"]], np.float32), g.const([attrs["score_threshold"]], np.float32)
    selected = g("NonMaxSuppression", "boxes", "scores", *limits)  # [N, 3]: image, class, point
    found = g("GatherND", "scores", selected)  # [N]
    by_score = g("TopK", found, g("Shape", found), outputs=2)[1]
    selected = g("Gather", selected, by_score, axis=0)
    found = g("Gather", found, by_score, axis=0)

    # group by image; an integer key keeps the order within an image exact
    image, kind, point = g("Split", selected, g.const([1, 1, 1]), outputs=3, axis=1)  # [N, 1] each
    count = g("Shape", found)
    position = g("Range", g.const(0), g("Squeeze", count, zero), g.const(1))
    key = g("Add", g("Mul", g("Squeeze", image, one), count), position)
    order = g("TopK", key, count, outputs=2, largest=0)[1]
    image, kind, point = (g("Gather", column, order, axis=0) for column in (image, kind, point))
    found = g("Gather", found, order, axis=0)

    # keep the first keep_top_k rows of each image
    images = g("Range", g.const(0), g("Squeeze", g("Slice", g("Shape", "boxes"), zero, one), zero), g.const(1))
    belongs = g("Cast", g("Equal", image, g("Unsqueeze", images, zero)), to=INT64)  # [N, B]
    numbers = g("ReduceSum", belongs, zero, keepdims=0)  # [B]
    first = g("CumSum", numbers, g.const(0), exclusive=1)
    rank = g("Sub", position, g("Gather", first, g("Squeeze", image, one), axis=0))
    kept = g("Squeeze", g("NonZero", g("Less", rank, keep)), zero)
    image, kind, point = (g("Gather", column, kept, axis=0) for column in (image, kind, point))
    score = g("Unsqueeze", g("Gather", found, kept, axis=0), one)

    corners = g("GatherND", "boxes", g("Concat", image, point, axis=1))  # [M, 4]
    g("Concat", g("Cast", kind, to=FLOAT), score, corners, axis=1, outputs=["bbox"])
    g("Cast", g("Min", numbers, keep), to=INT32, outputs=["bbox_num"])
    del graph.output[:]
    graph.output.extend([_output("bbox", FLOAT, ["detections", 6]), _output("bbox_num", INT32, ["batch"])])


FLOAT, INT32, INT64 = 1, 6, 7  # as in onnx.TensorProto


class _Nodes:
    """Appends nodes to a graph: `g("Add", a, b)` returns the name of the sum."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._count = 0

    def __call__(self, operator: str, *inputs: str, outputs: int | list[str] = 1, **attributes: Any) -> Any:
        """Append a node and return the name of its output, or a list of names if it has several outputs."""
        from onnx import helper

        names = outputs if isinstance(outputs, list) else [self._name(operator) for _ in range(outputs)]
        self._graph.node.append(helper.make_node(operator, inputs, names, name=names[0], **attributes))
        return names[0] if len(names) == 1 else names

    def const(self, value: Any, dtype: type = np.int64) -> str:
        """Append a constant and return its name."""
        from onnx import numpy_helper

        name = self._name("constant")
        self._graph.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def _name(self, operator: str) -> str:
        self._count += 1
        return f"nms/{operator}_{self._count}"


def _output(name: str, dtype: int, shape: list[Any]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, dtype, shape)
