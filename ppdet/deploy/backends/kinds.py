"""The runtimes by the name that options and errors give them. Imports nothing, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A runtime.

    Attributes:
        module: its import name.
        package: its name for pip.
        extra: the extra of ppdet that has it.
        suffixes: endings of the files that it runs, the preferred first.
    """

    module: str
    package: str
    extra: str
    suffixes: tuple[str, ...]


# The fastest first: docs/deploy.md has the measurements.
KINDS = {
    "openvino": Kind("openvino", "openvino", "deploy", (".xml", ".onnx")),
    "onnxruntime": Kind("onnxruntime", "onnxruntime", "deploy", (".onnx",)),
    "paddle": Kind("paddle", "paddlepaddle", "deploy", (".json", ".pdmodel")),
    "ncnn": Kind("ncnn", "ncnn", "ncnn", (".param",)),
    "mnn": Kind("MNN", "MNN", "mnn", (".mnn",)),
    "tflite": Kind("ai_edge_litert", "ai-edge-litert", "tflite", (".tflite",)),
}
SUFFIXES = tuple(dict.fromkeys(suffix for kind in KINDS.values() for suffix in kind.suffixes))
EVERY_BACKEND = f"{', '.join(KINDS)} or auto, the first of them that is installed and has a file"
EVERY_FILE = f"the folder of an export, or a file of it ({', '.join(SUFFIXES)})"
