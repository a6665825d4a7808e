"""From a trained detector to files that have been checked against it."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import NamedTuple

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
from ppdet.engine.export.pixels import fold_normalize, normalized, to_pixels
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
    require(settings.formats)
    size, normalize = _input(run)
    trained = run.load_model()
    config = infer_config(run, trained)
    graph, inputs, expected = _graph_and_check(run, trained, size, normalize)
    folder = output_dir / run.settings.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as temp:
            written = Path(temp)
            for name in settings.formats:
                FORMATS[name].write(graph, size, config, written)
            with (written / "infer_cfg.yml").open("w") as file:
                yaml.safe_dump(config, file, sort_keys=False)
            _check(folder, written, settings, inputs, expected)
            _move(written, folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another --output_dir") from error
    logger.info("%s: written, with infer_cfg.yml", folder)
    return folder


def _input(run: Run) -> tuple[tuple[int, int], NormalizeImage | None]:
    """(height, width; -1: any) of the graph's input, as images come out of TestReader, and how that normalises them."""
    reader, settings = run.builder.build("TestReader"), run.settings.export
    shape = reader.inputs_def.get("image_shape")
    if not shape or len(shape) != 4:
        raise UserError("TestReader.inputs_def.image_shape: required for export, as [1, 3, height, width]")
    for resize in reader.sample_transforms:
        if isinstance(resize, Resize) and not resize.keep_ratio and resize.sizes != [tuple(shape[2:])]:
            sizes = f"{list(shape)}, but TestReader's Resize gives {list(resize.sizes[0])}"
            raise UserError(f"TestReader.inputs_def.image_shape: found {sizes}; set both to the same height and width")
    normalize = next((step for step in reader.sample_transforms if isinstance(step, NormalizeImage)), None)
    if settings.fuse_normalize and normalize is None:
        raise UserError("export.fuse_normalize: found true, but TestReader has no NormalizeImage to fold in")
    if settings.input_dtype == "uint8" and not settings.fuse_normalize:
        raise UserError("export.input_dtype: found uint8, which is for pixels; set export.fuse_normalize=true as well")
    if settings.batch_size == 0:
        raise UserError("export.batch_size: found 0; expected -1 (any) or a number of images")
    if settings.dynamic_size and settings.boxes == "normalized":
        raise UserError("export.boxes: found normalized, which needs a fixed size; set export.dynamic_size=false")
    return (-1, -1) if settings.dynamic_size else (shape[2], shape[3]), normalize


def _graph_and_check(
    run: Run, trained: PicoDet, size: tuple[int, int], normalize: NormalizeImage | None
) -> tuple[ExportModel, list[np.ndarray], list[np.ndarray]]:
    """The graph to write, inputs for it, and what the trained model makes of the same images."""
    settings = run.settings.export
    image, scale_factor = sample_batch(run, size, settings.batch_size if settings.batch_size > 0 else 2)
    trained_graph = graph = ExportModel(trained, settings)
    fed = image
    if normalize is not None and settings.fuse_normalize:
        pixels = to_pixels(image, normalize)
        image, fed = normalized(pixels, normalize), pixels.astype(settings.input_dtype)
        folded, pixel_mean = fold_normalize(trained, normalize)
        graph = ExportModel(folded, settings, pixel_mean)
    others = [scale_factor] if graph.takes_scale_factor else []
    with paddle.no_grad():
        expected = [output.numpy() for output in trained_graph(*map(paddle.to_tensor, [image, *others]))]
    return graph, [fed, *others], expected


class _Row(NamedTuple):
    """A line of the table that the tool prints."""

    format: str
    size_mb: str
    score_difference: str
    box_difference: str  # relative to the image
    detections_apart: str


def _check(
    folder: Path, written: Path, settings: ExportSettings, inputs: list[np.ndarray], expected: list[np.ndarray]
) -> None:
    """Print how far each format in the folder `written` is from `expected`; UserError where it is too far."""
    rows, failed = [], []
    for name in settings.formats:
        result = compare(expected, FORMATS[name].run(written, inputs))
        size = sum(path.stat().st_size for path in FORMATS[name].files(written)) / 1e6
        rows.append(_Row(name, f"{size:.2f}", f"{result.score:.1e}", f"{result.box:.1e}", f"{result.missing:.1f} %"))
        halved = settings.fp16 and name != "paddle"
        if not result.within(*(_HALF if halved else _SINGLE)):
            failed.append(name)
    logger.info("checked against the trained model on %d images\n%s", len(inputs[0]), format_table(rows))
    if (written / "model.onnx").is_file():
        nodes = ", ".join(f"{count} {name}" for name, count in operators(written / "model.onnx").items())
        logger.info("operators of model.onnx: %s", nodes)
    if failed:
        names = " and ".join(failed)
        raise UserError(f"{folder}: not written, since {names} differ from the trained model by more than rounding "
                        "(see the table); report this with the config")  # fmt: skip


# Largest difference of scores and (relative) boxes, and percentage of detections that the other side lacks: one that
# wins NMS by less than rounding may lose it elsewhere. Trained weights give 5e-6, random ones on noise up to 2e-3.
_SINGLE, _HALF = (5e-3, 1.0), (5e-2, 10.0)


def _move(written: Path, folder: Path) -> None:
    """Move all files of the folder `written` to `folder`, where they replace those of an earlier export."""
    before = folder / "infer_cfg.yml"
    changed = before.is_file() and before.read_bytes() != (written / "infer_cfg.yml").read_bytes()
    written_now = {path.name for path in written.iterdir()}
    for path in list(written.iterdir()):
        path.replace(folder / path.name)
    if "model.pdiparams" in written_now:  # another version of Paddle uses other names beside it
        for stale in {"model.json", "model.pdmodel", "model.pdiparams.info"} - written_now:
            (folder / stale).unlink(missing_ok=True)
    others = sorted(path.name for path in folder.glob("model*") if path.name not in written_now)
    if changed and others:
        logger.warning("%s: infer_cfg.yml has changed and may not fit %s any more; export them again", folder,
                       ", ".join(others))  # fmt: skip
