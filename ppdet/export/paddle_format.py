"""Paddle Inference files: writing a graph."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import paddle
from paddle import nn
from paddle.static import InputSpec

from ppdet.export.graph import ExportModel
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


def program_file(folder: Path) -> Path:
    """Returns `model.json` (Paddle 3) or `model.pdmodel` (Paddle 2)."""
    return next(file for name in ("model.json", "model.pdmodel") if (file := folder / name).is_file())


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
