"""MNN files, converted from ONNX by MNN's own converter and quantized by MNN's own quantizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import require_file, run_worker


def convert_mnn(job: Conversion) -> None:
    """Write `job.target` (.mnn). Raises UserError if the converter fails."""
    import onnx

    with temporary_folder() as temp:
        described: dict[str, Any] = {"source": str(job.source), "target": str(job.target), "fp16": job.fp16}
        if job.images is not None:
            graph = onnx.load(str(job.source)).graph
            np.save(temp / "images.npy", job.images)
            described |= {
                "images": str(temp / "images.npy"),
                "folder": str(temp),
                "input": graph.input[0].name,
                "in_float": kept_float(graph),
            }
        run_worker("mnn", described, job.tool_env)
    require_file("mnn", job.target)


def kept_float(graph: Any) -> list[str]:
    """Returns the tensors of an onnx.GraphProto that need more than 8 bits in MNN.

    They are those that no convolution depends on, as scores, and the products and clips of hard swishes.
    """
    needed: set[str] = set()
    found: list[str] = []
    for node in reversed(graph.node):
        if node.op_type == "Conv" or not needed.isdisjoint(node.output):
            needed |= set(node.input)
        else:
            found += node.output
    made_by = {name for node in graph.node for name in node.output}
    for clip in (node for node in graph.node if node.op_type == "Clip"):
        products = [node.output[0] for node in graph.node if node.op_type == "Mul" and clip.output[0] in node.input]
        if products:
            found += [*products, *clip.output, *(name for name in clip.input if name in made_by)]
    return found
