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
from ppdet.data.transforms import NormalizeImage, Resize
from ppdet.engine.export.formats import FORMATS, require
from ppdet.engine.export.graph import ExportModel
from ppdet.engine.export.infer_config import infer_config
from ppdet.engine.export.onnx_format import operators
from ppdet.engine.export.pixels import fold_normalize, normalize_step, normalized, to_pixels
from ppdet.engine.export.staging import staged
from ppdet.engine.export.verify import compare
from ppdet.engine.run import Run
from ppdet.engine.sample import sample_batch
from ppdet.metrics import format_table
from ppdet.modeling import PicoDet

logger = logging.getLogger(__name__)


def export(run: Run, output_dir: Path) -> Path:
    """Write model.* in each of `export.format` and infer_cfg.yml to `<output_dir>/<filename>/`; returns that folder.

    The files come into place once all of them give what the trained model gives on images of EvalDataset.

    Raises:
        UserError: a setting does not fit, a format's package is missing, the folder cannot be written, or a written
            model differs from the trained one by more than rounding.
    """
    settings = run.settings.export
    for name in settings.formats:
        require("export.format", name, FORMATS[name].needs)
    size, normalize = _input(run)
    trained = run.load_model()
    config = infer_config(run, trained)
    folder = output_dir / run.settings.filename
    _refuse_misfit(folder, config, settings)
    graph, check = _graph_and_check(run, trained, size, normalize)
    with staged(folder) as written:
        for name in settings.formats:
            FORMATS[name].write(graph, size, config, written)
        with (written / "infer_cfg.yml").open("w") as file:
            yaml.safe_dump(config, file, sort_keys=False)
        _check(folder, written, settings, check)
        names = {path.name for path in written.iterdir()}
    if "paddle" in settings.formats:  # another version of Paddle uses other names
        for stale in {"model.json", "model.pdmodel", "model.pdiparams.info"} - names:
            (folder / stale).unlink(missing_ok=True)
    logger.info("%s: written, with infer_cfg.yml", folder)
    return folder


def _refuse_misfit(folder: Path, config: dict[str, Any], settings: ExportSettings) -> None:
    """Raise UserError where a Paddle model stays in `folder` that the new infer_cfg.yml would not describe.

    The other formats carry their own.
    """
    before = folder / "infer_cfg.yml"
    if "paddle" in settings.formats or not (folder / "model.pdiparams").is_file() or not before.is_file():
        return
    if before.read_text() != yaml.safe_dump(config, sort_keys=False):
        raise UserError(f"{folder}: its Paddle model was exported with other options and would no longer fit "
                        "infer_cfg.yml; add paddle to --format, or choose another --output_dir")  # fmt: skip


def _input(run: Run) -> tuple[tuple[int, int], NormalizeImage | None]:
    """(height, width; -1: any) of the graph's input, as images come out of TestReader, and how that normalises them."""
    reader, settings = run.builder.build("TestReader"), run.settings.export
    shape = reader.inputs_def.get("image_shape")
    if not shape or len(shape) != 4:
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
    expected    what the trained model makes of the same images
    candidates  boxes and scores that NMS chose from; None: there was no NMS
    source      where the images are from
    """

    inputs: list[np.ndarray]
    expected: list[np.ndarray]
    candidates: list[np.ndarray] | None
    source: str


def _graph_and_check(
    run: Run, trained: PicoDet, size: tuple[int, int], normalize: NormalizeImage | None
) -> tuple[ExportModel, _Checked]:
    settings = run.settings.export
    sample = sample_batch(run, size, settings.batch_size if settings.batch_size > 0 else 2)
    graph = ExportModel(trained, settings)
    image = fed = sample.image
    if normalize is not None and settings.fuse_normalize:
        pixels = to_pixels(image, normalize)
        image, fed = normalized(pixels, normalize), pixels.astype(settings.input_dtype)
        folded, pixel_mean = fold_normalize(trained, normalize)
        graph = ExportModel(folded, settings, pixel_mean)
    others = [sample.scale_factor] if graph.takes_scale_factor else []
    tensors = [paddle.to_tensor(array) for array in (image, *others)]
    candidates = None
    with paddle.no_grad():
        outputs = ExportModel(trained, settings).with_settings(nms=False)(*tensors)
        if settings.nms and not settings.raw:
            candidates = [output.numpy() for output in outputs]
            outputs = trained.head.nms(*outputs)
    expected = [output.numpy() for output in outputs]
    return graph, _Checked([fed, *others], expected, candidates, sample.source)


class _Row(NamedTuple):
    """A line of the table that the tool prints."""

    format: str
    size_mb: str
    score_difference: str
    box_difference: str  # relative to the image
    detections_apart: str


def _check(folder: Path, written: Path, settings: ExportSettings, check: _Checked) -> None:
    """Print how far each format in the folder `written` is from the trained model; UserError where it is too far."""
    rows, failed = [], []
    for name in settings.formats:
        result = compare(check.expected, FORMATS[name].run(written, check.inputs), check.candidates)
        size = sum(path.stat().st_size for path in FORMATS[name].files(written)) / 1e6
        rows.append(_Row(name, f"{size:.2f}", f"{result.score:.1e}", f"{result.box:.1e}", f"{result.apart:.1f} %"))
        halved = settings.fp16 and name != "paddle"
        if not result.within(*(_HALF if halved else _SINGLE)):
            failed.append(name)
    logger.info(
        "checked against the trained model on %d %s\n%s", len(check.inputs[0]), check.source, format_table(rows)
    )
    if (written / "model.onnx").is_file():
        nodes = ", ".join(f"{count} {name}" for name, count in operators(written / "model.onnx").items())
        logger.info("operators of model.onnx: %s", nodes)
    if failed:
        names = " and ".join(failed)
        raise UserError(f"{folder}: not written, since {names} differ from the trained model by more than rounding "
                        "(see the table); report this with the config")  # fmt: skip


# Largest difference of scores and (relative) boxes, and percentage of detections that the other side lacks, which is 0
# of trained weights and 20 of fresh ones, whose boxes tie. Trained weights differ by 5e-6, golden ones on noise by 2e-3
_SINGLE, _HALF = (5e-3, 33), (5e-2, 33)
