"""infer_cfg: what a runner has to know besides the graph. A YAML file beside the model, or JSON inside of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DeployError, telling_line

FILE_NAME = "infer_cfg.yml"
BOX_UNITS = ("image", "input", "normalized")
_MEND = "export the model again with tools/export_model.py"


@dataclass(frozen=True)
class ModelConfig:
    """size           (height, width) that images are resized to
    keep_ratio     one factor for both sides
    interp         OpenCV's number of the interpolation
    scale, shift   [3] float32 each: normalised = pixel * scale + shift, channels RGB; None: the model takes pixels
    pad_stride     zeros bottom and right up to a multiple of it
    labels         class names
    boxes          what the model's coordinates refer to, one of BOX_UNITS; None: not said
    strides        of the levels, the finest first, and
    cell_offset    where in its cell a grid point lies, for raw outputs
    iou_threshold  of NMS done here, with at most
    per_class      boxes per class before it and
    per_image      boxes after it; -1: all
    threshold      detections that score less are left out unless asked for
    """

    size: tuple[int, int]
    keep_ratio: bool
    interp: int
    scale: np.ndarray | None
    shift: np.ndarray | None
    pad_stride: int
    labels: tuple[str, ...]
    boxes: str | None
    strides: tuple[int, ...]
    cell_offset: float
    iou_threshold: float
    per_class: int
    per_image: int
    threshold: float


def read_config(model: Path, embedded: str | None) -> ModelConfig:
    """Of the model file `model`: what it carries, which cannot belong to another model, else the file beside it."""
    beside = model.parent / FILE_NAME
    load: Callable[[str], Any]
    if embedded is not None:
        source, load, text = f"{model}: infer_cfg", json.loads, embedded
    elif beside.is_file():
        try:
            import yaml
        except ImportError:
            raise DeployError(f"{beside}: PyYAML, which reads it, is not installed; pip install pyyaml") from None
        source, load, text = str(beside), yaml.safe_load, beside.read_bytes().decode("utf-8", errors="replace")
    else:
        raise DeployError(f"{model}: has no infer_cfg, and there is no {beside}; {_MEND}, or copy the file to there")
    try:
        mapping = load(text)
    except Exception as error:  # YAML and JSON have an exception each
        raise DeployError(f"{source}: cannot be read ({telling_line(error)}); {_MEND}") from error
    return parse_config(mapping, source)


def parse_config(mapping: Any, source: str) -> ModelConfig:
    """Raises DeployError that begins with `source` and the key at fault."""
    if not isinstance(mapping, Mapping):
        raise DeployError(f"{source}: found {type(mapping).__name__}; expected keys and values; {_MEND}")
    if (arch := mapping.get("arch", "PicoDet")) != "PicoDet":
        raise DeployError(f"{source}: arch: found {arch}; this runs PicoDet models only")
    try:
        return _parse(mapping)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        about = f"no {error}" if isinstance(error, KeyError) else telling_line(error)
        raise DeployError(
            f"{source}: {about}; expected the layout that tools/export_model.py writes; {_MEND}"
        ) from None


def _parse(mapping: Mapping[str, Any]) -> ModelConfig:
    steps = {step["type"]: step for step in mapping["Preprocess"]}
    if unknown := set(steps) - {"Decode", "Resize", "NormalizeImage", "Permute", "PadStride", "PadBatch"}:
        raise ValueError(f"Preprocess: {sorted(unknown)[0]} is not known here")
    if "Resize" not in steps:
        raise ValueError("Preprocess: no Resize")
    resize, nms = steps["Resize"], mapping.get("NMS") or {}
    size = resize["target_size"]
    height, width = (size, size) if isinstance(size, int) else map(int, size)
    if min(height, width) < 1:
        raise ValueError(f"Preprocess: Resize: target_size: found {size}")
    scale, shift = _normalisation(steps.get("NormalizeImage"))
    padding = steps.get("PadStride") or steps.get("PadBatch") or {}
    boxes = mapping.get("boxes")
    if boxes not in (None, *BOX_UNITS):
        raise ValueError(f"boxes: found {boxes}, expected one of {', '.join(BOX_UNITS)}")
    return ModelConfig(
        size=(height, width),
        keep_ratio=bool(resize.get("keep_ratio", False)),
        interp=int(resize.get("interp", 1)),
        scale=scale,
        shift=shift,
        pad_stride=max(1, int(padding.get("stride", padding.get("pad_to_stride", 1)))),
        labels=tuple(map(str, mapping["label_list"])),
        boxes=boxes,
        strides=tuple(map(int, mapping.get("fpn_stride") or ())),
        cell_offset=float(mapping.get("cell_offset", 0.5)),
        iou_threshold=float(nms.get("nms_threshold", 0.5)),
        per_class=int(nms.get("nms_top_k", 1000)),
        per_image=int(nms.get("keep_top_k", 100)),
        threshold=float(mapping.get("draw_threshold", 0.5)),
    )


def _normalisation(step: Mapping[str, Any] | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Of (pixel / 255 - mean) / std, in evaluation's arithmetic, so that the results are the same bit for bit."""
    if step is None:
        return None, None
    divisor = 255 if step.get("is_scale", True) else 1
    if step.get("norm_type", "mean_std") == "none":
        return np.full(3, 1 / divisor, np.float32), np.zeros(3, np.float32)
    mean, std = (np.array(step[key], np.float64).reshape(3) for key in ("mean", "std"))
    return (1 / (std * divisor)).astype(np.float32), (-mean / std).astype(np.float32)
