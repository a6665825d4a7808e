"""Writes, runs and checks vendors' formats, which are converted from an ONNX model of one image without NMS."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.base import keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.deploy.errors import first_error_line
from ppdet.export.checksum import save_config_beside
from ppdet.export.graph import ExportModel
from ppdet.export.onnx_format import save_onnx
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.utils.files import temporary_folder
from ppdet.vendor.first_difference import find_first_difference
from ppdet.vendor.toolchain import Toolchain

logger = logging.getLogger(__name__)

_SOURCE = "vendor_source"  # a folder beside the staged files, which stays behind when they get their names


def save_vendor(
    chain: Toolchain, graph: ExportModel, size: Sequence[int], config: dict[str, Any], folder: Path
) -> None:
    """Write `graph` in the vendor's format to `folder`, with `config` (infer_cfg.yml's content) beside it as .json."""
    settings, source = graph.settings, folder / _SOURCE / "model.onnx"
    if not source.is_file():  # the other vendors' formats come from the same file
        source.parent.mkdir()
        save_onnx(graph.with_settings(fp16=False, batch_size=1), size, config, source)
    chain.convert(source, folder / chain.file, settings.fp16, settings.tool_env)
    save_config_beside(folder / chain.file, config)


def run_vendor(chain: Toolchain, file: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the outputs of the model in `file` for a batch, image by image; none if its runtime refuses it."""
    (images,) = inputs
    try:
        model = chain.load(file, cpu_threads())
        run = keep_outputs(model.run)
        outputs = [run({model.inputs[0].name: image[None]}) for image in images]
    except Exception as error:  # each runtime has its own
        logger.warning("%s: its runtime refuses it (%s)", file.name, first_error_line(error))
        return []
    return [np.concatenate(each) for each in zip(*outputs, strict=True)]


def first_wrong_layer(
    chain: Toolchain, folder: Path, inputs: Sequence[np.ndarray], settings: ExportSettings, tolerance: float
) -> str:
    """Says which layer of the ONNX model behind the files in `folder` the vendor's model computes wrong first."""
    import onnx

    feed = {"image": inputs[0][:1]}

    def differs(truncated: Any) -> float:
        """The largest difference of the only output, relative to its largest value or 1."""
        expected = OnnxRuntime(truncated.SerializeToString(), cpu_threads()).run(feed)[0]
        with temporary_folder() as temp:
            onnx.save(truncated, str(temp / "model.onnx"))
            try:
                chain.convert(temp / "model.onnx", temp / chain.file, settings.fp16, settings.tool_env)
            except UserError:
                return np.inf
            found = run_vendor(chain, temp / chain.file, [feed["image"]])
        if [array.size for array in found] != [expected.size]:  # some runtimes drop axes of 1
            return np.inf
        change = np.abs(found[0].reshape(expected.shape) - expected).max()
        return float(change / max(1.0, np.abs(expected).max()))

    model = onnx.load(str(folder / _SOURCE / "model.onnx"))
    found = find_first_difference(model, lambda truncated: differs(truncated) > tolerance)
    return "" if found is None else f"; the first layer that differs is {found}"
