"""The vendors' toolchains: how each converts an ONNX file, and how its files run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ppdet.deploy.backends.base import Backend
from ppdet.deploy.backends.small_runtimes import Mnn, Ncnn, Tflite
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.mnn import convert_mnn
from ppdet.vendor.ncnn import convert_ncnn
from ppdet.vendor.paddle_lite import convert_paddle_lite, describe_paddle_lite
from ppdet.vendor.rknn import convert_rknn, describe_rknn
from ppdet.vendor.simulator import Simulator
from ppdet.vendor.tflite import convert_tflite


class Toolchain(NamedTuple):
    """A vendor's converter and runtime.

    Attributes:
        suffix: of the model's file, which a runtime loads.
        others: suffixes of the files that belong to it.
        runtime: modules that run it in this environment.
        tools: modules of the converter, in this environment or that of `tool_env`.
        convert: writes the model.
        load: `load(job, threads)` loads what `convert` wrote.
        half: whether the runtime computes in half precision at best.
    """

    suffix: str
    others: tuple[str, ...]
    runtime: tuple[str, ...]
    tools: tuple[str, ...]
    convert: Callable[[Conversion], None]
    load: Callable[[Conversion, int], Backend]
    half: bool = False

    @property
    def file(self) -> str:
        """Name of the model's file."""
        return f"model{self.suffix}"

    def files(self, stem: str = "model") -> tuple[str, ...]:
        """Names of all its files."""
        return tuple(f"{stem}{suffix}" for suffix in (self.suffix, *self.others, f"{self.suffix}.json"))


TOOLCHAINS = {
    "ncnn": Toolchain(
        ".ncnn.param", (".ncnn.bin",), ("ncnn",), ("pnnx",), convert_ncnn, lambda job, n: Ncnn(job.target, n)
    ),
    "mnn": Toolchain(".mnn", (), ("MNN",), ("MNN",), convert_mnn, lambda job, n: Mnn(job.target, n)),
    "tflite": Toolchain(
        ".tflite",
        (),
        ("ai_edge_litert",),
        ("onnx2tf", "tensorflow"),
        convert_tflite,
        lambda job, n: Tflite(job.target, n),
    ),
    "rknn": Toolchain(
        ".rknn", (), (), ("rknn",), convert_rknn, lambda job, n: Simulator("rknn", job, describe_rknn), half=True
    ),
    "paddle_lite": Toolchain(
        ".nb",
        (),
        (),
        ("paddlelite", "numpy"),
        convert_paddle_lite,
        lambda job, n: Simulator("paddle_lite", job, describe_paddle_lite),
    ),
}
