"""Paddle Inference files: writing a graph and running it on the CPU."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.static import InputSpec

from ppdet.export.graph import ExportModel
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.utils.files import require_space

_PROGRAM_BYTES = 1 << 20  # upper limit for a graph without its weights


def save_graph(model: ExportModel, size: Sequence[int], folder: Path) -> None:
    """Write `model` (in evaluation mode) for images of `size` (height, width; -1: any) as model.*"""
    write_graph(recorded(model, size), folder)


def recorded(model: ExportModel, size: Sequence[int]) -> nn.Layer:
    """Returns `model`, in evaluation mode, with the input description that `write_graph` records it by, once."""
    model.eval()
    batch = model.settings.batch_size if model.settings.batch_size > 0 else None
    specs = [InputSpec([batch, 3, *(side if side > 0 else None for side in size)], model.settings.input_dtype, "image")]
    if model.takes_scale_factor:
        specs.append(InputSpec([batch, 2], "float32", "scale_factor"))
    return paddle.jit.to_static(model, input_spec=specs, full_graph=True)


def write_graph(model: nn.Layer, folder: Path) -> None:
    """Write the graph of a `recorded` model, with its current weights, as model.*"""
    # Paddle does not notice a file that is cut short
    require_space(folder, _PROGRAM_BYTES + sum(4 * value.size for value in model.parameters()))
    with _no_call_stacks():
        paddle.jit.save(model, f"{folder}/model")


def load_graph(folder: Path) -> Any:
    """Returns Paddle Inference's predictor for the model in `folder`, on the CPU."""
    from paddle import inference

    program = program_file(folder)
    config = inference.Config(str(program), str(folder / "model.pdiparams"))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(cpu_threads())
    if program.suffix == ".pdmodel":  # the format of Paddle 3 does not support this pass
        config.enable_memory_optim()
    return inference.create_predictor(config)


def program_file(folder: Path) -> Path:
    """Returns `model.json` (Paddle 3) or `model.pdmodel` (Paddle 2)."""
    return next(file for name in ("model.json", "model.pdmodel") if (file := folder / name).is_file())


def run_graph(graph: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run a predictor of `load_graph` and return its outputs."""
    for name, value in zip(graph.get_input_names(), inputs, strict=True):
        graph.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(value))
    graph.run()
    return [graph.get_output_handle(name).copy_to_cpu() for name in graph.get_output_names()]


def run_inference(folder: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Run the Paddle Inference model in `folder` on the CPU and return its outputs."""
    return run_graph(load_graph(folder), inputs)


@contextlib.contextmanager
def _no_call_stacks() -> Iterator[None]:
    """Stop Paddle from storing the Python call stack of every operator that it records: half the time of tracing."""
    limit = getattr(sys, "tracebacklimit", None)
    sys.tracebacklimit = 0
    try:
        yield
    finally:
        if limit is None:
            del sys.tracebacklimit
        else:
            sys.tracebacklimit = limit
