"""From a trained detector to a Paddle Inference model that gives boxes directly."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import yaml

from ppdet.core.errors import UserError
from ppdet.data.transforms import Resize
from ppdet.engine.infer import class_categories
from ppdet.engine.predictor import ExportModel, fuse_conv_norm, run_inference, save_graph
from ppdet.engine.run import Run
from ppdet.engine.sample import sample_batch
from ppdet.modeling import PicoDet
from ppdet.utils.files import atomic_write

logger = logging.getLogger(__name__)

_TOLERANCE = 1e-3  # of scores and of boxes relative to the image; optimised kernels add up in another order


def export(run: Run, output_dir: Path) -> Path:
    """Write `<output_dir>/<filename>/model.*` and `infer_cfg.yml`, and check the result; returns the folder."""
    image_shape = _image_shape(run)
    trained = ExportModel(run.load_model(), run.settings.export)
    config = infer_config(run, trained.model)
    fuse = run.settings.export.fuse_conv_bn
    wrapped = ExportModel(fuse_conv_norm(trained.model), run.settings.export) if fuse else trained
    folder = output_dir / run.settings.filename
    _save(wrapped, image_shape[2:], folder)
    with atomic_write(folder / "infer_cfg.yml") as file:
        yaml.safe_dump(config, file, sort_keys=False)
    logger.info("%s: model and infer_cfg.yml written", folder)
    _verify(trained, folder, sample_batch(run, tuple(image_shape[2:])))
    return folder


def _image_shape(run: Run) -> list[int]:
    """[1, 3, height, width] of the graph's input, as images come out of TestReader."""
    reader = run.builder.build("TestReader")
    shape = reader.inputs_def.get("image_shape")
    if not shape or len(shape) != 4:
        raise UserError("TestReader.inputs_def.image_shape: required for export, as [1, 3, height, width]")
    for resize in reader.sample_transforms:
        if isinstance(resize, Resize) and not resize.keep_ratio and resize.sizes != [tuple(shape[2:])]:
            sizes = f"{list(shape)}, but TestReader's Resize gives {list(resize.sizes[0])}"
            raise UserError(f"TestReader.inputs_def.image_shape: found {sizes}; set both to the same height and width")
    return shape


def _save(wrapped: ExportModel, size: Sequence[int], folder: Path) -> None:
    """Written to a temporary folder first, so that a failure leaves an older export as it was."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as temp:
            save_graph(wrapped, size, Path(temp))
            written = {file.replace(folder / file.name) for file in Path(temp).iterdir()}
            for stale in set(folder.glob("model.*")) - written:  # another version of Paddle uses other names
                stale.unlink()
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another --output_dir") from error


def infer_config(run: Run, model: PicoDet) -> dict[str, Any]:
    """`infer_cfg.yml` in the published layout: all that a runtime needs to know besides the graph."""
    transforms = map(_named, run.cfg.to_dict()["TestReader"]["sample_transforms"])
    preprocess = [{"type": name, **options} for name, options in transforms if name != "Decode"]
    nms = {key: model.head.nms.attrs[key] for key in ("nms_top_k", "keep_top_k")}
    return {
        "mode": "paddle",
        "draw_threshold": 0.5,
        "metric": run.settings.metric,
        "use_dynamic_shape": False,
        "arch": run.settings.architecture,
        "min_subgraph_size": 3,
        "Preprocess": preprocess,
        "label_list": [category.name for category in class_categories(run)],
        # thresholds for runtimes that do NMS themselves; tighter than the graph's, for speed, as published
        "NMS": {"name": "MultiClassNMS", **nms, "score_threshold": 0.3, "nms_threshold": 0.5},
        "fpn_stride": list(model.head.fpn_stride),
    }


def _named(transform: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Class and options of a transform in any of the config's three ways."""
    if isinstance(transform, str):
        return transform, {}
    if "name" in transform:
        return transform["name"], {key: value for key, value in transform.items() if key != "name"}
    ((name, options),) = transform.items()
    return name, options or {}


def _verify(wrapped: ExportModel, folder: Path, feed: list[np.ndarray]) -> None:
    """Run the saved model and the trained one on the same images and report the largest difference.

    More than float32 rounding explains is a warning only: a box that wins NMS by less than that may lose it elsewhere.
    """
    inputs = feed[:1] if wrapped.raw else feed
    with paddle.no_grad():
        expected = [t.numpy() for t in wrapped(*map(paddle.to_tensor, inputs))]
    difference = largest_difference(expected, run_inference(folder, inputs))
    logger.info("%s: checked on %d images, largest relative difference to the trained model %.1e", folder,
                len(feed[0]), difference)  # fmt: skip
    if not difference <= _TOLERANCE:  # NaN is a difference as well
        logger.warning("%s: the exported model differs from the trained one by more than rounding (%.1e > %.0e); "
                       "compare their scores before it is used", folder, difference, _TOLERANCE)  # fmt: skip


def largest_difference(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    """Between the outputs of two runs of an ExportModel, relative to each output's largest value (or 1).

    Detections are compared with the nearest one of the same image, whatever their order.
    """
    if [x.shape[1:] for x in expected] != [x.shape[1:] for x in found]:
        return float("inf")
    if not all(np.isfinite(x).all() for x in found):
        return float("inf")
    if expected[-1].ndim == 1:  # bbox [M, 6], bbox_num [B]
        images = zip(_per_image(*expected), _per_image(*found), strict=True)
        return max((_detection_difference(a, b) for a, b in images), default=0.0)
    pairs = zip(expected, found, strict=True)
    return max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in pairs)


def _per_image(bbox: np.ndarray, bbox_num: np.ndarray) -> list[np.ndarray]:
    return np.split(bbox.reshape(-1, 6), np.cumsum(bbox_num)[:-1])


def _detection_difference(a: np.ndarray, b: np.ndarray) -> float:
    """From each row of [n, 6] and [m, 6] to the nearest of the other; a class (at least 1 apart) never matches."""
    if not (len(a) and len(b)):
        return 0.0 if len(a) == len(b) else float("inf")
    scale = np.array([1, 1, *[max(1.0, np.abs(a[:, 2:]).max())] * 4])
    distance = (np.abs(a[:, None] - b[None]) / scale).max(axis=-1)
    return float(max(distance.min(axis=0).max(), distance.min(axis=1).max()))
