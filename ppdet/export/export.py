"""From a trained detector to files that have been checked against it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle
import yaml

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.data.transforms.sample_transforms import NormalizeImage, Resize
from ppdet.export.check_inputs import sample_batch
from ppdet.export.checksum import paddle_checksum
from ppdet.export.fold_normalize import fold_normalize, normalize_step, normalized, to_pixels
from ppdet.export.formats import FORMATS, require
from ppdet.export.graph import ExportModel, rounded
from ppdet.export.infer_config import infer_config
from ppdet.export.nms_rules import NmsRules
from ppdet.export.onnx_format import operators
from ppdet.export.paddle_format import program_file
from ppdet.export.verify import Candidates, Comparison, compare, compare_detections
from ppdet.metrics import format_table
from ppdet.modeling import PicoDet
from ppdet.session import Session
from ppdet.utils.staging import staged

logger = logging.getLogger(__name__)


def export(session: Session, output_dir: Path) -> Path:
    """Write model.* in each of `export.format` and infer_cfg.yml to `<output_dir>/<filename>/`; returns that folder.

    The files come into place once all of them give what the trained model gives on images of EvalDataset.

    Raises:
        UserError: a setting does not fit, a format's package is missing, the folder cannot be written, or a written
            model differs from the trained one by more than rounding.
    """
    settings = session.settings.export
    for name in settings.formats:
        require("export.format", name, FORMATS[name].needs)
    size, normalize = _input(session)
    trained = session.load_model()
    config = infer_config(session, trained)
    folder = output_dir / session.settings.filename
    checksum = _kept_checksum(folder, config, settings)
    graph, check = _graph_and_check(session, trained, size, normalize)
    with staged(folder) as written:
        for name in settings.formats:
            FORMATS[name].write(graph, size, config, written)
        if "paddle" in settings.formats:
            checksum = {"checksum": paddle_checksum(program_file(written))}
        with (written / "infer_cfg.yml").open("w", encoding="utf-8") as file:
            yaml.safe_dump({**config, **checksum}, file, sort_keys=False, allow_unicode=True)
        _check(folder, written, settings, check)
        names = {path.name for path in written.iterdir()}
    if "paddle" in settings.formats:  # another version of Paddle uses other names
        for stale in {"model.json", "model.pdmodel", "model.pdiparams.info"} - names:
            (folder / stale).unlink(missing_ok=True)
    logger.info("%s: written, with infer_cfg.yml", folder)
    return folder


def _kept_checksum(folder: Path, config: dict[str, Any], settings: ExportSettings) -> dict[str, Any]:
    """What infer_cfg.yml has to say of a Paddle model that stays in `folder`; the other formats carry their own.

    Raises UserError where the new infer_cfg.yml would not describe that model.
    """
    before = folder / "infer_cfg.yml"
    if "paddle" in settings.formats or not (folder / "model.pdiparams").is_file() or not before.is_file():
        return {}
    try:
        content = yaml.safe_load(before.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    checksum = {"checksum": content.pop("checksum")} if isinstance(content, dict) and "checksum" in content else {}
    if content != config:
        raise UserError(
            f"{folder}: its Paddle model was exported with other options and would no longer fit infer_cfg.yml; add "
            "paddle to --format, or choose another --output_dir"
        )
    return checksum


def _input(session: Session) -> tuple[tuple[int, int], NormalizeImage | None]:
    """(height, width; -1: any) of the graph's input, as images come out of TestReader, and how that normalises them."""
    reader, settings = session.builder.build("TestReader"), session.settings.export
    shape = reader.inputs_def.get("image_shape") or []
    if len(shape) == 3:  # of older configs
        shape = [1, *shape]
    if len(shape) != 4:
        raise UserError("TestReader.inputs_def.image_shape: required for export, as [1, 3, height, width]")
    resizes = [step for step in reader.sample_transforms if isinstance(step, Resize)]
    if not resizes:
        raise UserError("TestReader.sample_transforms: no Resize, which tells a runner what to do with an image")
    for resize in resizes:
        if not resize.keep_ratio and resize.sizes != [tuple(shape[2:])]:
            sizes = f"{list(shape)}, but TestReader's Resize gives {list(resize.sizes[0])}"
            raise UserError(f"TestReader.inputs_def.image_shape: found {sizes}; set both to the same height and width")
    normalize = normalize_step(reader.sample_transforms)
    if settings.fuse_normalize and normalize is None:
        raise UserError("export.fuse_normalize: found true, but TestReader has no NormalizeImage to fold in")
    if settings.fuse_normalize and resizes[0].keep_ratio:
        raise UserError("export.fuse_normalize: found true, but TestReader's Resize keeps the ratio, and its padding "
                        "is 0 after normalisation; set export.fuse_normalize=false")  # fmt: skip
    if settings.input_dtype == "uint8" and not settings.fuse_normalize:
        raise UserError("export.input_dtype: found uint8, which is for pixels; set export.fuse_normalize=true as well")
    if settings.batch_size == 0:
        raise UserError("export.batch_size: found 0; expected -1 (any) or a number of images")
    if settings.dynamic_size and settings.boxes == "normalized":
        raise UserError("export.boxes: found normalized, which needs a fixed size; set export.dynamic_size=false")
    return (-1, -1) if settings.dynamic_size else (shape[2], shape[3]), normalize


class _Checked(NamedTuple):
    """What a written model is checked with.

    inputs      for it
    expected    what the trained model makes of the same images, before NMS
    rules       of the NMS that follows; None: there is none
    tolerance   largest difference of scores and (relative) boxes that rounding may make
    source      where the images are from
    """

    inputs: list[np.ndarray]
    expected: list[np.ndarray]
    rules: NmsRules | None
    tolerance: dict[str, float]
    source: str

    def compare(self, format: str, found: list[np.ndarray]) -> Comparison:
        if self.rules is None:
            return compare(self.expected, found)
        # ONNX's NonMaxSuppression lets all candidates of a class take part (see append_nms)
        rules = self.rules if format == "paddle" else self.rules._replace(per_class=None)
        boxes, scores = self.expected
        return compare_detections(Candidates(boxes, scores, rules), found, self.tolerance[format])


def _graph_and_check(
    session: Session, trained: PicoDet, size: tuple[int, int], normalize: NormalizeImage | None
) -> tuple[ExportModel, _Checked]:
    settings = session.settings.export
    sample = sample_batch(session, size, settings.batch_size if settings.batch_size > 0 else 2)
    graph = ExportModel(trained, settings)
    image = fed = sample.image
    if normalize is not None and settings.fuse_normalize:
        pixels = to_pixels(image, normalize)
        image, fed = normalized(pixels, normalize), pixels.astype(settings.input_dtype)
        folded, pixel_mean = fold_normalize(trained, normalize)
        graph = ExportModel(folded, settings, pixel_mean)
    others = [sample.scale_factor] if graph.takes_scale_factor else []
    reference = ExportModel(trained, settings).with_settings(nms=False)
    expected = _outputs(reference, image, *others)
    tolerance = {}
    for name in settings.formats:
        halved = settings.fp16 and name != "paddle"
        shaken = rounded(reference, 2**-13 if halved else 2**-22)
        result = compare(expected, _outputs(shaken, image, *others))
        least, most = _HALF if halved else _SINGLE
        tolerance[name] = min(most, max(least, _MARGIN * max(result.score, result.box)))
    rules = NmsRules.of(trained.head.nms.attrs) if settings.nms and not settings.raw else None
    return graph, _Checked([fed, *others], expected, rules, tolerance, sample.source)


def _outputs(graph: ExportModel, *inputs: np.ndarray) -> list[np.ndarray]:
    with paddle.no_grad():
        return [output.numpy() for output in graph(*map(paddle.to_tensor, inputs))]


class _Row(NamedTuple):
    """A line of the table that the tool prints."""

    format: str
    size_mb: str
    score_difference: str
    box_difference: str  # relative to the image
    unmatched: str  # detections


def _check(folder: Path, written: Path, settings: ExportSettings, check: _Checked) -> None:
    """Print how far each format in the folder `written` is from the trained model; UserError where it is too far."""
    rows, failed = [], []
    for name in settings.formats:
        result = check.compare(name, FORMATS[name].run(written, check.inputs))
        size = sum(path.stat().st_size for path in FORMATS[name].files(written)) / 1e6
        rows.append(_Row(name, f"{size:.2f}", f"{result.score:.1e}", f"{result.box:.1e}", str(result.unmatched)))
        if not result.within(check.tolerance[name]):
            failed.append(name)
    logger.info("checked against the trained model on %d %s", len(check.inputs[0]), check.source)
    for line in format_table(rows).splitlines():  # a message is one line
        logger.info("%s", line)
    if (written / "model.onnx").is_file():
        nodes = ", ".join(f"{count} {name}" for name, count in operators(written / "model.onnx").items())
        logger.info("operators of model.onnx: %s", nodes)
    if failed:
        allowed = " and ".join(f"{check.tolerance[name]:.1e}" for name in failed)
        raise UserError(
            f"{folder}: not written, since {' and '.join(failed)} differ from the trained model by more than rounding "
            f"({allowed}; see the table); report this with the config"
        )


# Bounds of the tolerance, for weights in single precision and in half, and what the change from rounding each weight
# once is multiplied with: layers round as well, and their order of summation differs
_SINGLE, _HALF, _MARGIN = (1e-4, 5e-3), (1e-3, 5e-2), 8
