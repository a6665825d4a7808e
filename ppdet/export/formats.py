"""The export formats: for each, how to write a graph and how to run the written file."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.base import Backend, keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino, PaddleInference
from ppdet.export.graph import ExportModel
from ppdet.export.onnx_format import save_onnx
from ppdet.export.openvino_format import save_openvino
from ppdet.export.paddle_format import program_file, save_graph
from ppdet.export.vendor_format import first_wrong_layer, load_vendor, run_vendor, save_vendor
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.vendor.toolchain import TOOLCHAINS, Toolchain
from ppdet.vendor.tools import install_command


class Format(NamedTuple):
    """A format that models are exported in.

    Attributes:
        names: glob patterns of its files.
        needs: modules of the `deploy` extra that it needs.
        write: `write(graph, size, config, folder)` writes model.* for images of `size` (height, width; -1: any);
            `config` is the content of infer_cfg.yml.
        model_file: the file in `folder` that a runtime loads.
        load: `load(folder)` loads the written model to run it on the CPU.
        run: `run(folder, inputs)` runs the written model on the CPU and returns its outputs.
        blame: `blame(folder, inputs, settings, tolerance)` says which layer of a model that differs does so first, as
            "; …", or "" if it cannot.
        half: whether its runtime computes in half precision at best.
    """

    names: tuple[str, ...]
    needs: tuple[str, ...]
    write: Callable[[ExportModel, Sequence[int], dict[str, Any], Path], None]
    model_file: Callable[[Path], Path]
    load: Callable[[Path], Backend]
    run: Callable[[Path, Sequence[np.ndarray]], list[np.ndarray]]
    blame: Callable[[Path, Sequence[np.ndarray], ExportSettings, float], str] = lambda *_: ""
    half: bool = False

    def files(self, folder: Path) -> list[Path]:
        """The format's files in `folder`."""
        return [path for name in self.names for path in folder.glob(name)]


def _write_paddle(graph: ExportModel, size: Sequence[int], config: dict[str, Any], folder: Path) -> None:
    save_graph(graph.fused() if graph.settings.fuse_conv_bn else graph, size, folder)


def _standard(
    names: tuple[str, ...],
    needs: tuple[str, ...],
    write: Callable[[ExportModel, Sequence[int], dict[str, Any], Path], None],
    model_file: Callable[[Path], Path],
    runtime: Callable[[Path, int], Backend],
) -> Format:
    """A format whose files `runtime` loads and runs with all their inputs."""

    def load(folder: Path) -> Backend:
        return runtime(model_file(folder), cpu_threads())

    def run(folder: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return keep_outputs(load(folder).run)(dict(zip(("image", "scale_factor"), inputs, strict=False)))

    return Format(names, needs, write, model_file, load, run)


def _of_vendor(chain: Toolchain) -> Format:
    return Format(
        chain.files(),
        (*chain.runtime, "onnx", "onnxruntime", "paddle2onnx"),
        partial(save_vendor, chain),
        lambda folder: folder / chain.file,
        partial(load_vendor, chain),
        partial(run_vendor, chain),
        partial(first_wrong_layer, chain),
        chain.half,
    )


EXPORT_FORMATS = {
    "paddle": _standard(
        ("model.json", "model.pd*"),
        (),
        _write_paddle,
        program_file,
        PaddleInference,
    ),
    "onnx": _standard(
        ("model.onnx",),
        ("onnx", "onnxruntime", "paddle2onnx"),
        lambda graph, size, config, folder: save_onnx(graph, size, config, folder / "model.onnx"),
        lambda folder: folder / "model.onnx",
        OnnxRuntime,
    ),
    "openvino": _standard(
        ("model.xml", "model.bin"),
        ("openvino", "onnx", "onnxruntime", "paddle2onnx"),
        lambda graph, size, config, folder: save_openvino(graph, size, config, folder / "model.xml"),
        lambda folder: folder / "model.xml",
        OpenVino,
    ),
    **{name: _of_vendor(chain) for name, chain in TOOLCHAINS.items()},
}


def require(option: str, name: str, modules: Sequence[str]) -> None:
    """Raise UserError if a module that the format `name` needs cannot be imported; `option` asked for the format."""
    for module in modules:
        try:
            importlib.import_module(module)
        except (ImportError, ValueError) as error:  # paddle2onnx raises ValueError beside another line of Paddle
            raise UserError(f"{option}: {name} needs {module} ({error}); {_remedy(module)}") from error


def _remedy(module: str) -> str:
    if module == "paddle2onnx":  # each line of Paddle has its own
        return f'pip install "paddle2onnx=={"1.3.1" if paddle.__version__.startswith("2.") else "2.1.0"}"'
    return install_command(module)
