"""ONNX files: paddle2onnx converts the graph, then it is simplified and gets NMS made of standard operators."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.deploy.backends.runtimes import onnx_session, session_options
from ppdet.export.checksum import save_onnx_model
from ppdet.export.graph import ExportModel
from ppdet.export.onnx_nms import append_nms
from ppdet.export.onnx_rewrites import set_leaky_slopes, store_half, tidy
from ppdet.export.paddle_format import program_file, save_graph
from ppdet.export.small_devices import require_small_device_operators
from ppdet.utils.files import temporary_folder


def save_onnx(model: ExportModel, size: Sequence[int], config: dict[str, Any], path: Path) -> None:
    """Write `model` as an ONNX file.

    Args:
        model: the graph.
        size: (height, width) of its images in pixels; -1: any.
        config: content of infer_cfg.yml, which becomes metadata.
        path: the file.

    Raises:
        UserError: paddle2onnx cannot convert the graph.
    """
    import onnx

    settings = model.settings
    without_nms = model.fused().with_settings(nms=False)
    with temporary_folder() as temp:
        converted = _convert(without_nms, size, temp)
        _name_interface(converted.graph, without_nms.output_names)
        set_leaky_slopes(converted.graph)
        graph_model = _optimized(converted, temp)
    tidy(graph_model.graph, settings.opset)
    if settings.nms == "none":
        require_small_device_operators(graph_model.graph)
    if settings.runs_nms:
        append_nms(graph_model.graph, model.model.head.nms.attrs)
    if settings.fp16:
        store_half(graph_model.graph)
    graph_model.producer_name = "ppdet"
    onnx.checker.check_model(graph_model, full_check=True)
    save_onnx_model(graph_model, config, path)


def count_operators(path: Path) -> dict[str, int]:
    """Returns the number of nodes of each operator in an ONNX file, sorted by name."""
    import onnx

    return dict(sorted(Counter(node.op_type for node in onnx.load(str(path)).graph.node).items()))


def _convert(model: ExportModel, size: Sequence[int], folder: Path) -> Any:
    """Returns the onnx.ModelProto that paddle2onnx makes; files go to `folder`."""
    import onnx
    import paddle2onnx

    save_graph(model, size, folder)
    target = folder / "converted.onnx"
    with _redirected_output(folder / "log") as log:
        paddle2onnx.export(
            str(program_file(folder)), str(folder / "model.pdiparams"), str(target), opset_version=model.settings.opset
        )
    if not target.is_file():
        reason = (log.read_text(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"export.format: paddle2onnx could not convert the graph ({reason})")
    return onnx.load(str(target))


@contextlib.contextmanager
def _redirected_output(path: Path) -> Iterator[Path]:
    """Redirect standard output and standard error, of C++ code as well, into the file `path`."""
    sys.stdout.flush(), sys.stderr.flush()
    saved = [(number, os.dup(number)) for number in (1, 2)]
    with path.open("wb") as file:
        for number, _ in saved:
            os.dup2(file.fileno(), number)
        try:
            yield path
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            for number, copy in saved:
                os.dup2(copy, number)
                os.close(copy)


def _name_interface(graph: Any, outputs: Sequence[str]) -> None:
    """Rename the outputs to `outputs`, and the open batch dimensions of all inputs and outputs to "batch"."""
    for output, name in zip(graph.output, outputs, strict=True):
        for node in graph.node:
            for i, old in enumerate(node.output):
                if old == output.name:
                    node.output[i] = name
            for i, old in enumerate(node.input):
                if old == output.name:
                    node.input[i] = name
        output.name = name
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.shape.dim[0].dim_value <= 0:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]


def _optimized(model: Any, folder: Path) -> Any:
    """Returns the model after ONNX Runtime's basic optimizations: constants folded, dead nodes and Identity removed."""
    import onnx
    import onnxruntime

    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnx_session(model.SerializeToString(), options)
    optimized = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in optimized.graph.node}
    foreign = [entry for entry in optimized.opset_import if entry.domain not in used]
    for entry in foreign:
        optimized.opset_import.remove(entry)
    return optimized
