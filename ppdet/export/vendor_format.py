"""Writes, runs and checks vendors' formats, which are converted from an ONNX model of one image without NMS."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.base import Backend, Feed, Runner, keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.deploy.errors import first_error_line
from ppdet.export.checksum import save_config_beside
from ppdet.export.graph import ExportModel
from ppdet.export.onnx_format import save_onnx
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
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
        (folder / _SOURCE / "tool_env").write_text(settings.tool_env or "", encoding="utf-8")  # for simulators
    chain.convert(Conversion(source, folder / chain.file, settings.fp16, settings.tool_env))
    save_config_beside(folder / chain.file, config)


def load_vendor(chain: Toolchain, folder: Path) -> Backend:
    """Loads what `save_vendor` wrote to `folder`."""
    return chain.load(_job(chain, folder), cpu_threads())


def _job(chain: Toolchain, folder: Path) -> Conversion:
    tool_env = (folder / _SOURCE / "tool_env").read_text(encoding="utf-8") or None
    return Conversion(folder / _SOURCE / "model.onnx", folder / chain.file, False, tool_env)


def run_vendor(chain: Toolchain, folder: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns what the model that `save_vendor` wrote to `folder` gives for a batch; none if its runtime refuses it."""
    return run_images(chain, _job(chain, folder), inputs[0])


def run_images(chain: Toolchain, job: Conversion, images: np.ndarray) -> list[np.ndarray]:
    """Returns the outputs of a converted model for `images` [B, 3, H, W]; none if its runtime refuses it."""
    try:
        model = chain.load(job, cpu_threads())
        return one_by_one(keep_outputs(model.run))({model.inputs[0].name: images})
    except Exception as error:  # each runtime has its own
        logger.warning("%s: its runtime refuses it (%s)", job.target.name, first_error_line(error))
        return []


def one_by_one(run: Runner) -> Runner:
    """Returns a Runner that gives the images of a feed to `run` one after the other."""

    def run_all(feed: Feed) -> list[np.ndarray]:
        count = len(next(iter(feed.values())))
        outputs = [run({name: array[i : i + 1] for name, array in feed.items()}) for i in range(count)]
        return [np.concatenate(each) for each in zip(*outputs, strict=True)]

    return run_all


def first_wrong_layer(
    chain: Toolchain, folder: Path, inputs: Sequence[np.ndarray], settings: ExportSettings, tolerance: float
) -> str:
    """Says which layer of the ONNX model behind the files in `folder` the vendor's model computes wrong first."""
    import onnx

    images = inputs[0][:1]

    def is_wrong(truncated: Any) -> bool:
        """Whether the largest difference of the only output, relative to its largest value or 1, is too large."""
        expected = OnnxRuntime(truncated.SerializeToString(), cpu_threads()).run({"image": images})[0]
        with temporary_folder() as temp:
            onnx.save(truncated, str(temp / "model.onnx"))
            job = Conversion(temp / "model.onnx", temp / chain.file, settings.fp16, settings.tool_env)
            try:
                chain.convert(job)
            except UserError:
                return True
            found = run_images(chain, job, images)
        same = in_layout_of(expected, found[0]) if found else None
        return same is None or not np.abs(same - expected).max() <= tolerance * max(1.0, np.abs(expected).max())

    found = find_first_difference(onnx.load(str(folder / _SOURCE / "model.onnx")), is_wrong)
    return "" if found is None else f"; the first layer that differs is {found}"


def in_layout_of(expected: np.ndarray, found: np.ndarray) -> np.ndarray | None:
    """Returns `found` in the shape of `expected`; None if it has another size.

    Runtimes may leave out axes of 1, and have the channels last. Of a map with as many channels as rows and columns,
    the channels count as second.
    """
    if found.size != expected.size:
        return None
    last = expected.ndim > 2 and found.shape == np.moveaxis(expected, 1, -1).shape != expected.shape
    return (np.moveaxis(found, -1, 1) if last else found).reshape(expected.shape)
