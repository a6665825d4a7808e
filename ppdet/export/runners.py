"""Running ONNX models in memory or on disk, in ONNX Runtime and OpenVINO, on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Feed = Mapping[str, np.ndarray]  # the inputs of one batch by name
Runner = Callable[[Feed], list[np.ndarray]]  # -> the model's outputs


def session_options() -> Any:
    """ONNX Runtime's defaults, without its warnings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return options


def onnx_runner(model: Any, threads: int) -> Runner:
    """model: an onnx.ModelProto, or the path of a file."""
    import onnxruntime

    options = session_options()
    options.intra_op_num_threads = threads
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return lambda feed: list(session.run(None, dict(feed)))


def openvino_runner(path: Path, threads: int) -> Runner:
    """path: .onnx or .xml. Layers in float are computed in float32, where the CPU has a shorter type as well."""
    import openvino

    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    request, names = compiled.create_infer_request(), [port.any_name for port in compiled.inputs]

    def run(feed: Feed) -> list[np.ndarray]:
        request.infer([feed[name] for name in names])
        return [request.get_output_tensor(i).data.copy() for i in range(len(compiled.outputs))]

    return run
