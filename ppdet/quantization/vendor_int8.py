"""INT8 files of vendors' toolchains: the network with even channels, quantized by the vendor's own converter.

For ncnn, which has none, our own plan is written.

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
from ppdet.metrics.results import ImageDetections
from ppdet.quantization.calibration import FeedBuilder, calibration_feeds, require_variety
from ppdet.quantization.equalize import equalized
from ppdet.quantization.measure import Measured, detect_with, latencies, megabytes
from ppdet.quantization.ncnn_int8 import write_ncnn_int8
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
VENDORS = {"rknn": "RKNN simulator", "tflite": "LiteRT", "mnn": "MNN", "ncnn": "ncnn"}


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
    plain, stem = (f"{kind}{chain.suffix}" for kind in ("model", "model_int8"))
    with temporary_folder() as temp, ExitStack() as stack:
        network, config = _network(raw, temp / "network")
        before = network if compared is None else _network(_raw(compared, name), temp / "compared")[0]
        builder = FeedBuilder(1, ["image"], ImageInput.of(raw))
        feeds = calibration_feeds(raw, calibration, builder)
        require_variety(feeds)
        images = np.concatenate([feed["image"] for feed in feeds])
        jobs = {
            plain: Conversion(temp / f"{plain}.onnx", temp / plain, False, tool_env),
            stem: Conversion(temp / f"{stem}.onnx", folder / stem, False, tool_env, images),
        }
        logger.info("%s: %s is being written", name, plain)
        onnx.save(before.model, str(jobs[plain].source))
        chain.convert(jobs[plain])
        logger.info("%s: %s is being written", name, stem)
        _write_int8(name, raw, network, feeds, jobs[stem])
        models, timed = dict[str, Backend](), dict[str, Runner]()
        for file, job in jobs.items():
            models[file] = loaded = chain.load(job, cpu_threads())
            if isinstance(loaded, Simulator):
                stack.callback(loaded.close)
            else:
                timed[file] = keep_outputs(chain.load(job, 1).run)
        save_config_beside(folder / stem, config)
        sizes = {file: megabytes(job.target) for file, job in jobs.items()}
        expected = OnnxRuntime(network.model.SerializeToString(), cpu_threads()).run(feeds[0])
        found = _detect(models, expected, raw, parse_config(config, stem), evaluator)
        times = latencies(timed, feeds[0])
        return [Measured(file, VENDORS[name], sizes[file], times.get(file), found[file]) for file in models]


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


def _write_int8(name: str, session: Session, network: Network, feeds: Sequence[Feed], job: Conversion) -> None:
    """Write `job.target`: by our plan for ncnn, with the vendor's quantizer of a network of even channels otherwise."""
    import onnx

    plan: Plan | None = plan_of_weights(session, network)
    if name == "ncnn":
        if plan is not None:
            logger.info("ncnn: the weights were trained in INT8 by other rules; its own are found by calibration")
        found = collect(network, feeds, cpu_threads())
        write_ncnn_int8(network, post_training_plan(network, found, TARGETS[name]), job)
        return
    if plan is None:
        plan = post_training_plan(network, collect(network, feeds, cpu_threads()), Rules())
    onnx.save(equalized(network, plan, TARGETS[name].gate), str(job.source))
    TOOLCHAINS[name].convert(job)


def _detect(
    models: dict[str, Backend],
    expected: Sequence[np.ndarray],
    session: Session,
    config: ModelConfig,
    evaluator: Evaluator,
) -> dict[str, list[ImageDetections]]:
    head, image = session.build_model().head, ImageInput.of(session)
    nms = head.nms.attrs  # infer_cfg has stricter thresholds, for speed
    config = replace(config, iou_threshold=nms.get("nms_threshold", config.iou_threshold))
    runners = {
        file: one_by_one(_detecting(file, model, expected, config, image.size, nms["score_threshold"]))
        for file, model in models.items()
    }
    builder = FeedBuilder(1, ["image", "scale_factor"], image)
    return detect_with(evaluator, builder, runners, ExportSettings(), head.select)


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
