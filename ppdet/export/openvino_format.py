"""OpenVINO files, converted from the ONNX model: they load faster and give the same outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ppdet.export.checksum import save_openvino_model
from ppdet.export.graph import ExportModel
from ppdet.export.onnx_format import save_onnx
from ppdet.utils.files import temporary_folder


def save_openvino(model: ExportModel, size: Sequence[int], config: dict[str, Any], path: Path) -> None:
    """Write `model` as `path` (.xml, with a .bin beside it).

    Args:
        model: the graph.
        size: (height, width) of its images in pixels; -1: any.
        config: content of infer_cfg.yml, which becomes the file's `rt_info`.
        path: the .xml file.
    """
    with temporary_folder() as temp:
        onnx_file = temp / "model.onnx"
        save_onnx(model.with_settings(fp16=False), size, config, onnx_file)
        convert_onnx(onnx_file, config, path, model.settings.fp16)


def convert_onnx(onnx_file: Path, config: dict[str, Any], path: Path, fp16: bool = False) -> None:
    """Write the model in `onnx_file` as `path` (.xml) with `config` as its `rt_info`, with `fp16` in half precision."""
    import openvino

    save_openvino_model(openvino.Core().read_model(str(onnx_file)), config, path, fp16)
