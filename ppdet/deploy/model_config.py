"""infer_cfg: the settings of a model besides its graph, as PaddleDetection and tools/export_model.py write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .config_file import read_mapping
from .config_values import Section, shown

ARCHS = ("PicoDet", "GFL")  # PaddleDetection calls a PicoDet GFL if its graph decodes boxes
BOX_UNITS = ("image", "input", "normalized")
DRAW_THRESHOLD = 0.5  # the score threshold of detections if nothing else is said
_LARGEST_SIDE = 8192
_INTERPOLATIONS = 6  # the highest of OpenCV's numbers
# The options of each known step; those that change nothing here have one value that is accepted.
_OPTIONS: dict[str, dict[str, bool | None]] = {
    "Decode": {},
    "Resize": {"target_size": None, "keep_ratio": None, "interp": None},
    "NormalizeImage": {"mean": None, "std": None, "is_scale": None, "norm_type": None, "is_channel_first": False},
    "Permute": {"to_bgr": False, "channel_first": True},
    "PadStride": {"stride": None},
    "PadBatch": {"pad_to_stride": None},
}


@dataclass(frozen=True)
class ModelConfig:
    """The checked content of infer_cfg.

    Attributes:
        source: the file that infer_cfg was read from, for messages.
        size: (height, width) that images are resized to.
        keep_ratio: whether both sides are resized by one factor.
        interp: OpenCV's number of the interpolation.
        scale, shift: [3] float32 each: normalized = pixel * scale + shift, channels RGB; None: the model takes pixels.
        pad_stride: zeros are added bottom and right up to a multiple of it.
        labels: class names.
        category_ids: the ids of the classes in the data set that the model was trained on; their positions if the
            export does not hold them.
        boxes: the units of the model's coordinates, one of BOX_UNITS; None: not stated.
        strides: strides of the levels, the finest first; for raw outputs.
        cell_offset: position of a grid point in its cell, 0..1; for raw outputs.
        iou_threshold: IoU threshold of NMS, if it is done here.
        per_class: most boxes of a class before NMS; -1: all.
        per_image: most boxes of an image after NMS; -1: all.
        needs_nms: whether each object has several boxes if NMS is not in the graph.
        threshold: default score threshold of detections.
        thresholds: one for each class instead, which `ppdet thresholds` chose; None: there are none.
        checksum: checksum of the model's files when they were exported; None: not known.
    """

    source: str
    size: tuple[int, int]
    keep_ratio: bool
    interp: int
    scale: np.ndarray | None
    shift: np.ndarray | None
    pad_stride: int
    labels: tuple[str, ...]
    category_ids: tuple[int | float | str, ...]
    boxes: str | None
    strides: tuple[int, ...]
    cell_offset: float
    iou_threshold: float
    per_class: int
    per_image: int
    needs_nms: bool
    threshold: float
    thresholds: tuple[float, ...] | None
    checksum: str | None


def read_config(model: Path, embedded: str | None) -> ModelConfig:
    """The infer_cfg that the model file `model` carries (`embedded`), else that of the file beside it.

    Raises DeployError that names the file and the key at fault.
    """
    return parse_config(*read_mapping(model, embedded))


def parse_config(mapping: Any, source: str) -> ModelConfig:
    """Checks the content of infer_cfg. Raises DeployError that begins with `source` and the dotted key at fault."""
    cfg = Section(mapping, source)
    if (arch := cfg.value("arch", "PicoDet", "PicoDet")) not in ARCHS:
        raise cfg.error(
            "arch", f"found {shown(arch)}", "PicoDet, or PaddleDetection's name for it, GFL; no other model runs here"
        )
    steps = _steps(cfg)
    resize, nms = steps["Resize"], cfg.section("NMS")
    scale, shift = _normalization(steps.get("NormalizeImage"))
    nms.number("score_threshold", 0, 1, 0.3)  # other runners use it; here draw_threshold counts
    return ModelConfig(
        source=source,
        size=_size(resize),
        keep_ratio=resize.truth("keep_ratio", "boxes" not in cfg.names),  # upstream's default; not that of exports here
        interp=resize.whole("interp", 0, _INTERPOLATIONS, 1),
        scale=scale,
        shift=shift,
        pad_stride=_pad_stride(steps),
        labels=(labels := _labels(cfg)),
        category_ids=_category_ids(cfg, len(labels)),
        boxes=cfg.choice("boxes", BOX_UNITS, None),
        strides=tuple(cfg.wholes("fpn_stride", 1, 1024, ())),
        cell_offset=cfg.number("cell_offset", 0, 1, 0.5),
        iou_threshold=nms.number("nms_threshold", 0, 1, 0.5),
        per_class=_most(nms, "nms_top_k", 1000),
        per_image=_most(nms, "keep_top_k", 100),
        needs_nms=cfg.truth("needs_nms", True),
        threshold=cfg.number("draw_threshold", 0, 1, DRAW_THRESHOLD),
        thresholds=_thresholds(cfg, len(labels)),
        checksum=_checksum(cfg),
    )


def _steps(cfg: Section) -> dict[str, Section]:
    """The preprocessing steps by type. Raises DeployError if one is unknown or there twice."""
    steps: dict[str, Section] = {}
    for step in cfg.sections("Preprocess"):
        name = str(step.value("type", "the name of a step"))
        if name not in _OPTIONS:
            raise step.error("type", f"{shown(name)} is not known here", f"one of {', '.join(_OPTIONS)}")
        if name in steps:
            raise step.error("type", f"{name} is there twice", "one of each type")
        for key in step.names:
            if key != "type" and key not in _OPTIONS[name]:
                raise step.error(
                    shown(key), f"{name} has no such option here", f"{', '.join(_OPTIONS[name]) or 'none'}"
                )
            if (only := _OPTIONS[name].get(key)) is not None:
                step.choice(key, (only,), only)
        steps[name] = step
    if "Resize" not in steps:
        raise cfg.error("Preprocess", "no Resize", "one, which says the size of the network's input")
    return steps


def _size(resize: Section) -> tuple[int, int]:
    """Height and width; one number stands for both."""
    if isinstance(resize.value("target_size", "height and width"), int):
        return (resize.whole("target_size", 1, _LARGEST_SIDE),) * 2
    size = resize.wholes("target_size", 1, _LARGEST_SIDE)
    if len(size) != 2:
        raise resize.error("target_size", f"found {shown(size)}", "height and width")
    return size[0], size[1]


def _normalization(step: Section | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Scale and shift of (pixel / 255 - mean) / std, computed as for evaluation, so that the results are equal."""
    if step is None:
        return None, None
    divisor = 255 if step.truth("is_scale", True) else 1
    if step.choice("norm_type", ("mean_std", "none"), "mean_std") == "none":
        return np.full(3, 1 / divisor, np.float32), np.zeros(3, np.float32)
    mean, std = np.array(step.numbers("mean", 3, -1e6, 1e6)), np.array(step.numbers("std", 3, 1e-6, 1e6))
    return (1 / (std * divisor)).astype(np.float32), (-mean / std).astype(np.float32)


def _pad_stride(steps: dict[str, Section]) -> int:
    """The stride that images are padded to; 0 and -1 stand for no padding."""
    if "PadStride" in steps:
        return max(1, steps["PadStride"].whole("stride", -1, 1024, 1))
    return max(1, steps["PadBatch"].whole("pad_to_stride", -1, 1024, 1)) if "PadBatch" in steps else 1


def _labels(cfg: Section) -> tuple[str, ...]:
    labels = cfg.items("label_list", "a list of the class names")
    if not labels:
        raise cfg.error("label_list", "found an empty list", "a list of the class names")
    for i, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, (str, int, float)):
            raise cfg.error(
                f"label_list[{i}]", f"found {shown(label)}", "a name, in quotes where YAML reads another type"
            )
    count = cfg.whole("num_classes", 1, 10**6, len(labels))
    if count != len(labels):
        raise cfg.error("label_list", f"found {len(labels)} names", f"{count}, which is num_classes")
    return tuple(map(str, labels))


def _category_ids(cfg: Section, count: int) -> tuple[int | float | str, ...]:
    ids = cfg.items("category_ids", "a list with the id of each class", tuple(range(count)))
    for i, found in enumerate(ids):
        if isinstance(found, bool) or not isinstance(found, (str, int, float)):
            raise cfg.error(f"category_ids[{i}]", f"found {shown(found)}", "a number or a text")
    if len(ids) != count:
        raise cfg.error("category_ids", f"found {len(ids)} ids", f"{count}, one for each name in label_list")
    return tuple(ids)


def _thresholds(cfg: Section, count: int) -> tuple[float, ...] | None:
    return None if cfg.value("thresholds", "", ()) == () else tuple(cfg.numbers("thresholds", count, 0, 1))


def _most(nms: Section, key: str, default: int) -> int:
    """A number of boxes; -1: all."""
    count = nms.whole(key, -1, 10**9, default)
    if count == 0:
        raise nms.error(key, "found 0", "-1 (all) or a number of boxes")
    return count


def _checksum(cfg: Section) -> str | None:
    value = cfg.value("checksum", "", "")
    if value and not (isinstance(value, str) and len(value) == 64):
        raise cfg.error("checksum", "found something else", "64 hexadecimal digits, in quotes; or remove the key")
    return value or None
