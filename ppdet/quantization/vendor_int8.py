"""INT8 files of vendors' toolchains: the network with even channels, quantized by the vendor's own converter.

The files end with the network, so that integers need not hold boxes; `Detector` decodes them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.data.datasets import Dataset
from ppdet.deploy.backends.base import Backend, Feed, Runner, keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.deploy.model_config import ModelConfig, parse_config
from ppdet.deploy.postprocess import detections
from ppdet.evaluation.evaluator import Evaluator
from ppdet.export.checksum import save_config_beside, stored_config
from ppdet.export.export import export
from ppdet.export.image_input import ImageInput
from ppdet.export.resolve import resolved
from ppdet.export.vendor_format import in_layout_of, one_by_one
from ppdet.quantization.calibration import FeedBuilder, calibration_feeds, require_variety
from ppdet.quantization.equalize import equalized
from ppdet.quantization.measure import Measured, detect_with, latencies, megabytes
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan, Rules
from ppdet.quantization.post_training import post_training_plan
from ppdet.quantization.qat.trained import plan_of_weights
from ppdet.quantization.statistics import collect
from ppdet.quantization.targets import TARGETS
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session
from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.simulator import Simulator
from ppdet.vendor.toolchain import TOOLCHAINS

logger = logging.getLogger(__name__)

# Names of runtimes by format.
VENDORS = {"rknn": "RKNN simulator", "tflite": "LiteRT", "mnn": "MNN"}


def write_vendor_int8(
    name: str,
    session: Session,
    compared: Session | None,
    evaluator: Evaluator,
    calibration: Dataset,
    tool_env: str | None,
    folder: Path,
) -> list[Measured]:
    """Write model_int8.* of a vendor's format to `folder`; return what the float and the INT8 file give.

    Args:
        name: the format, one of `VENDORS`.
        session: the run.
        compared: the run of the float model; None: the same.
        evaluator: the images that both files are measured on.
        calibration: the images whose values are quantized.
        tool_env: folder of the environment of the converter; None: this one.
        folder: see above.

    Raises:
        UserError: settings do not fit the format, or the converter fails.
    """
    import onnx

    chain, raw = TOOLCHAINS[name], _raw(session, name)
    stem = f"model_int8{chain.suffix}"
    with temporary_folder() as temp, ExitStack() as stack:
        network, config = _network(raw, temp / "network")
        builder = FeedBuilder(1, ["image"], ImageInput.of(raw))
        feeds = calibration_feeds(raw, calibration, builder)
        require_variety(feeds)
        sources = {f"model{chain.suffix}": network.model, stem: _even(raw, network, feeds, name)}
        if compared is not None:
            sources[f"model{chain.suffix}"] = _network(_raw(compared, name), temp / "compared")[0].model
        models: dict[str, Backend] = {}
        for file, model in sources.items():
            source = temp / f"{file}.onnx"
            onnx.save(model, str(source))
            images = np.concatenate([feed["image"] for feed in feeds]) if file == stem else None
            job = Conversion(source, (folder if images is not None else temp) / file, False, tool_env, images)
            logger.info("%s: %s is being written", name, file)
            chain.convert(job)
            models[file] = loaded = chain.load(job, cpu_threads())
            if isinstance(loaded, Simulator):
                stack.callback(loaded.close)
        save_config_beside(folder / stem, config)
        sizes = {file: megabytes((folder if file == stem else temp) / file) for file in sources}
        expected = OnnxRuntime(network.model.SerializeToString(), cpu_threads()).run(feeds[0])
        return _measure(name, models, sizes, expected, raw, parse_config(config, stem), evaluator, feeds[0])


def _raw(session: Session, name: str) -> Session:
    """Returns the session whose export is an ONNX file that ends with the network, for one image."""

    def with_export(each: Session, **options: Any) -> Session:
        return replace(each, settings=replace(each.settings, export=replace(each.settings.export, **options)))

    checked = resolved(with_export(session, format=name, post_process=False, layout="flat"))
    return with_export(checked, format="onnx", batch_size=1)


def _network(session: Session, folder: Path) -> tuple[Network, dict[str, Any]]:
    """Returns the float network that a session exports, and its infer_cfg."""
    import onnx

    model = onnx.load(str(export(session, folder) / "model.onnx"))
    config = stored_config(model)
    return Network.of(model), config


def _even(session: Session, network: Network, feeds: Sequence[Feed], name: str) -> Any:
    """Returns an onnx.ModelProto of even channels that computes what the network does."""
    plan: Plan | None = plan_of_weights(session, network)
    if plan is None:
        plan = post_training_plan(network, collect(network, feeds, cpu_threads()), Rules())
    return equalized(network, plan, TARGETS[name].gate)


def _measure(
    name: str,
    models: dict[str, Backend],
    sizes: dict[str, float],
    expected: Sequence[np.ndarray],
    session: Session,
    config: ModelConfig,
    evaluator: Evaluator,
    feed: Feed,
) -> list[Measured]:
    head, image = session.build_model().head, ImageInput.of(session)
    nms = head.nms.attrs  # infer_cfg has stricter thresholds, for speed
    config = replace(config, iou_threshold=nms.get("nms_threshold", config.iou_threshold))
    runners = {
        file: one_by_one(_detecting(file, model, expected, config, image.size, nms["score_threshold"]))
        for file, model in models.items()
    }
    builder = FeedBuilder(1, ["image", "scale_factor"], image)
    found = detect_with(evaluator, builder, runners, ExportSettings(), head.select)
    timed = {file: keep_outputs(model.run) for file, model in models.items() if not isinstance(model, Simulator)}
    times = latencies(timed, feed)
    return [Measured(file, VENDORS[name], sizes[file], times.get(file), found[file]) for file in models]


def _detecting(
    file: str,
    model: Backend,
    expected: Sequence[np.ndarray],
    config: ModelConfig,
    size: tuple[int, int],
    threshold: float,
) -> Runner:
    """Returns a Runner that gives detections in pixels of the original image; `expected` shows the layout."""
    run, (port,) = keep_outputs(model.run), model.inputs

    def detect(feed: Feed) -> list[np.ndarray]:
        outputs = run({port.name: feed["image"]})
        flat = [in_layout_of(like, each) for like, each in zip(expected, outputs, strict=True)]
        if any(each is None for each in flat):
            raise UserError(f"{file}: its outputs have other sizes than the network's; report this with the config")
        (rows,) = detections(
            [each for each in flat if each is not None], config, "input", size, feed["scale_factor"], threshold
        )
        return [rows, np.array([len(rows)])]

    return detect
