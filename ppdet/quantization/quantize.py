"""Quantizes a detector from a config and weights to INT8 files and a report."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.data.datasets import Dataset
from ppdet.deploy.backends.base import Feed
from ppdet.evaluation.evaluator import Evaluator, build_evaluator
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.checksum import save_onnx_model, stored_config
from ppdet.export.export import export
from ppdet.export.formats import EXPORT_FORMATS, require
from ppdet.export.openvino_format import convert_onnx
from ppdet.export.resolve import resolved
from ppdet.export.thresholds import earlier_thresholds
from ppdet.quantization.calibration import (
    calibration_feeds,
    calibration_set,
    require_variety,
    warn_of_strange_images,
)
from ppdet.quantization.exported_network import exported_network, with_export
from ppdet.quantization.measure import Measured, measure_files
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan, Rules
from ppdet.quantization.post_training import calibrated, model_to_write
from ppdet.quantization.qat.trained import plan_of_weights
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.report import Report, make_report, write_pages
from ppdet.quantization.sensitivity import select_int8_layers, sensitivities
from ppdet.quantization.targets import TARGETS
from ppdet.quantization.vendor_int8 import VENDORS, write_vendor_int8
from ppdet.quantization.vendor_source import Source
from ppdet.report.write import require_report
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.session import Session
from ppdet.utils.files import temporary_folder
from ppdet.utils.staging import staged
from ppdet.vendor.toolchain import TOOLCHAINS
from ppdet.vendor.tools import require_tools

logger = logging.getLogger(__name__)

_SEARCH_FEEDS = 6  # number of calibration feeds for the search; more take longer and hardly change its result
_MODULES = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "onnxruntime", "openvino")}


@dataclass(frozen=True)
class QuantizeSettings:
    """Options of a quantization.

    Attributes:
        formats: some of "onnx", "openvino", and the vendors' formats that have INT8.
        images: number of images to calibrate with.
        tolerance: the change of the outputs that a layer alone may cause; layers that cause more stay in float. None:
            no layer does.
        report: folder for the pages that compare float and INT8; None: no pages.
        tool_env: folder of a virtual environment that has the converters of vendors' formats; None: this one has them.
        target: the name of the rules, in `TARGETS`, that the ONNX file keeps. None: those of ONNX Runtime.
        float_depthwise: depthwise convolutions stay in float; for ncnn.

    Raises:
        UserError: a value is out of range or does not fit the formats, or a package is missing.
    """

    formats: Sequence[str] = ("onnx",)
    images: int = 50
    tolerance: float | None = None
    report: Path | None = None
    tool_env: str | None = None
    target: str | None = None
    float_depthwise: bool = False

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in (*_MODULES, *VENDORS):
                raise UserError(f"--format: found {name!r}; expected some of {', '.join((*_MODULES, *VENDORS))}")
            require("--format", name, _MODULES.get(name) or EXPORT_FORMATS[name].needs)
            if self.target not in (None, name) and name != "onnx":
                raise UserError(
                    f"--target: found {self.target} with --format {name}; expected {name}, or --format onnx"
                )
        for name in self.vendors:
            require_tools(name, TOOLCHAINS[name].tools, self.tool_env)
            if self.tolerance is not None:
                raise UserError(f"--tolerance: found with {name}; expected onnx or openvino; leave it out")
        if self.tool_env is not None and not self.vendors:
            raise UserError(
                f"--tool_env: found {self.tool_env} with --format {self.formats[0]}, which needs no converter; "
                f"expected one of {', '.join(VENDORS)}; leave it out"
            )
        if self.target not in (None, *TARGETS):
            raise UserError(f"--target: found {self.target!r}; expected one of {', '.join(TARGETS)}")
        if self.float_depthwise and (others := [name for name in self.formats if name != "ncnn"]):
            raise UserError(f"--float_depthwise: found with --format {others[0]}; expected ncnn alone; leave it out")
        if self.images < 1:
            raise UserError(f"--calib_images: found {self.images}; expected 1 or more")
        if self.tolerance is not None and not self.tolerance >= 0:
            raise UserError(f"--tolerance: found {self.tolerance}; expected 0 or more")
        if self.report:
            require_report(self.report)

    @property
    def vendors(self) -> list[str]:
        """The formats that a vendor's converter writes."""
        return [name for name in self.formats if name in VENDORS]


def quantize(session: Session, output_dir: Path, settings: QuantizeSettings, compared: Session | None = None) -> Report:
    """Write model_int8.* and int8_report.json to `<output_dir>/<filename>/`.

    An existing float export is not touched. All convolutions are quantized; with a tolerance, except for those that
    alone change the outputs by more. Everything else (activations, decoding, NMS) stays in float. Weights that were
    trained in INT8 are written as they were trained.

    Args:
        session: the config and the weights.
        output_dir: see above.
        settings: the options.
        compared: the session of the float model in the report; None: of the same weights.

    Raises:
        UserError: boxes are not decoded, the folder cannot be written, or images or weights cannot be read.
    """
    session = resolved(session)
    if session.settings.export.raw:
        raise UserError(
            "export.post_process: found false; INT8 is judged by its boxes, so that they have to be decoded"
        )
    for name in ("dynamic_size", "fp16"):
        if getattr(session.settings.export, name):
            logger.info("export.%s: without effect on INT8 files", name)
    # Build both first, so that unreadable data and other classes are reported before the long part.
    trained = session.trained_classes()
    evaluator = build_evaluator(session, trained)
    calibration = calibration_set(session, settings.images, trained)
    folder = output_dir / session.settings.filename
    thresholds = session.settings.export.thresholds or earlier_thresholds(session, folder)
    exported = _to_onnx(session, thresholds)
    compared = compared and _to_onnx(resolved(compared), None)
    with staged(folder) as temp:
        measured, kept_float = _write_and_measure(exported, compared, evaluator, calibration, settings, temp)
        report, found = make_report(session, evaluator, measured, kept_float)
        (temp / "int8_report.json").write_text(json.dumps(report.as_dict(), indent=1))
    print(report)
    if settings.report:
        write_pages(settings.report, session, evaluator.dataset, report, found)
    return report


def _write_and_measure(
    exported: Session,
    compared: Session | None,
    evaluator: Evaluator,
    calibration: Dataset,
    settings: QuantizeSettings,
    folder: Path,
) -> tuple[list[Measured], Mapping[str, float | None]]:
    """Write the files of all formats; return what they give, and the convolutions that stay in float."""
    measured: list[Measured] = []
    kept_float: Mapping[str, float | None] = {}
    names, source = settings.vendors, None
    if names:  # first, since settings may not fit the formats
        source = Source.of(exported, calibration, names, float_depthwise=settings.float_depthwise)
    if len(names) < len(settings.formats):
        measured, kept_float = _write_qdq(exported, compared, evaluator, calibration, settings, folder)
    elif source:
        warn_of_strange_images(source.network, source.feeds, cpu_threads())
    if source:
        measured += write_vendor_int8(names, source, compared, evaluator, settings.tool_env, folder)
        kept_float = {**kept_float, **dict.fromkeys(source.kept_float)}
    return measured, kept_float


def _write_qdq(
    exported: Session,
    compared: Session | None,
    evaluator: Evaluator,
    calibration: Dataset,
    settings: QuantizeSettings,
    folder: Path,
) -> tuple[list[Measured], dict[str, float]]:
    """Write the files of ONNX Runtime and OpenVINO; return what they give, and the convolutions that stay in float."""
    import onnx

    float_file = export(compared or exported, folder) / "model.onnx"
    network = Network.of(onnx.load(str(float_file))) if compared is None else exported_network(exported)
    builder = FeedBuilder.of(exported, network.model)
    feeds = calibration_feeds(exported, calibration, builder)
    require_variety(feeds)
    warn_of_strange_images(network, feeds, cpu_threads())
    model, plan, kept_float = _plan(exported, network, feeds, settings)
    files = _write(model, plan, settings.formats, folder)
    select = exported.build_model().head.select
    measured = measure_files(float_file, files, evaluator, builder, feeds[0], exported.settings.export, select)
    return measured, kept_float


def _to_onnx(session: Session, thresholds: str | None) -> Session:
    """Returns the session whose export is a float ONNX file of one size."""
    return with_export(session, format="onnx", fp16=False, dynamic_size=False, thresholds=thresholds)


def _plan(
    session: Session, network: Network, feeds: Sequence[Feed], settings: QuantizeSettings
) -> tuple[Any, Plan, dict[str, float]]:
    """Returns the float model to write in INT8, its plan, and the convolutions that stay in float.

    The plan is the one that the weights hold, or one by the feeds.
    """
    trained = plan_of_weights(session, network)
    if trained is None:
        plan = calibrated(network, feeds, TARGETS[settings.target or "onnxruntime"], cpu_threads())
        model, plan = model_to_write(network, plan)
        return model, *_choose(model, plan, feeds, settings.tolerance)
    weights = session.settings.weights
    logger.info("%s: trained in INT8; its ranges and integers are used", weights)
    if settings.tolerance is not None:
        raise UserError(f"--tolerance: all convolutions of {weights} were trained in INT8; leave it out")
    _require_same_rules(trained.rules, settings, weights)
    if settings.target == "openvino":
        return network.model, _inputs_only(trained), {}
    return *model_to_write(network, trained), {}


def _require_same_rules(trained: Rules, settings: QuantizeSettings, weights: str | None) -> None:
    """Raises UserError if weights were `trained` in INT8 by other rules than those of the files asked for."""
    if settings.target not in (None, "openvino" if trained.channel_quantizers else None):
        if replace(TARGETS[settings.target], integer_gates=trained.integer_gates) != trained:
            raise UserError(
                f"--target: found {settings.target}, but {weights} was trained in INT8 by other rules; leave it out"
            )
    elif settings.target is None and "onnx" in settings.formats and trained == TARGETS["openvino"]:
        raise UserError(
            f"--format: found onnx, but {weights} was trained for OpenVINO; expected openvino; or train with "
            "QAT.target: onnxruntime, which suits both"
        )


def _inputs_only(plan: Plan) -> Plan:
    """Returns the plan by the rules of OpenVINO, which quantizes what convolutions read."""
    return replace(plan, rules=TARGETS["openvino"]).only(plan.convs)


def _choose(model: Any, plan: Plan, feeds: Sequence[Feed], tolerance: float | None) -> tuple[Plan, dict[str, float]]:
    """Returns the plan of the convolutions that go to INT8, and those that stay in float with their sensitivities."""
    if tolerance is None:
        return plan, {}
    found = sensitivities(model, plan, feeds[:_SEARCH_FEEDS], cpu_threads())
    chosen = select_int8_layers(found, tolerance)
    kept_float = {name: change for name, change in found.items() if name not in chosen}
    listed = ", ".join(f"{name} {change:.2g}" for name, change in kept_float.items()) or "none"
    number = f"{len(chosen)} of {len(found)} convolutions go to INT8"
    logger.info("%s; in float, since each alone changes the outputs by more than %g: %s", number, tolerance, listed)
    return plan.only(chosen), kept_float


def _write(model: Any, plan: Plan, formats: Sequence[str], folder: Path) -> list[Path]:
    """Write an INT8 file of each format to `folder` and return their paths."""
    import onnx

    config = stored_config(model)
    files = []
    if "onnx" in formats:
        files.append(folder / "model_int8.onnx")
        save_onnx_model(qdq_model(model, plan), config, files[-1])
    if "openvino" in formats:
        files.append(folder / "model_int8.xml")
        with temporary_folder() as temp:
            source = temp / "model.onnx"
            onnx.save(qdq_model(model, _inputs_only(plan)), str(source))
            convert_onnx(source, config, files[-1])
    return files
