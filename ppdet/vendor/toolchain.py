"""The vendors' toolchains: how each converts an ONNX file, and how its files run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ppdet.deploy.backends.base import Backend
from ppdet.deploy.backends.small_runtimes import Mnn, Ncnn
from ppdet.vendor.mnn import convert_mnn
from ppdet.vendor.ncnn import convert_ncnn


class Toolchain(NamedTuple):
    """A vendor's converter and runtime.

    Attributes:
        file: name of the model's file, which a runtime loads.
        others: names of the files that belong to it.
        runtime: module that runs it in this environment.
        tools: modules of the converter, in this environment or that of `tool_env`.
        convert: `convert(source, target, fp16, tool_env)` writes the model in the ONNX file `source`, for one image of
            a fixed size and without NMS, as `target` and the files beside it.
        load: `load(file, threads)`.
    """

    file: str
    others: tuple[str, ...]
    runtime: str
    tools: tuple[str, ...]
    convert: Callable[[Path, Path, bool, str | None], None]
    load: Callable[[Path, int], Backend]


TOOLCHAINS = {
    "ncnn": Toolchain("model.ncnn.param", ("model.ncnn.bin",), "ncnn", ("pnnx",), convert_ncnn, Ncnn),
    "mnn": Toolchain("model.mnn", (), "MNN", ("MNN",), convert_mnn, Mnn),
}
