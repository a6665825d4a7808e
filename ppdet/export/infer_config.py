"""The content of `infer_cfg.yml`, which tells a runner how to prepare images and what the outputs mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ppdet.data.datasets import Category
from ppdet.data.loading.reader import Reader
from ppdet.data.transforms.batch_transforms import PadBatch
from ppdet.data.transforms.sample_transforms import NormalizeImage, Resize
from ppdet.deploy.model_config import DRAW_THRESHOLD
from ppdet.export.thresholds import threshold_entries
from ppdet.modeling import PicoDet
from ppdet.session import Session


def infer_config(session: Session, model: PicoDet, categories: Sequence[Category]) -> dict[str, Any]:
    """Returns the content in PaddleDetection's layout.

    Ours are `category_ids`, `boxes` (see ExportSettings), `needs_nms: false` of a model that needs none, and
    `thresholds` and `weights_sha256` (`threshold_entries`).
    """
    export = session.settings.export
    reader = session.builder.build("TestReader")
    nms = {key: model.head.nms.attrs[key] for key in ("nms_top_k", "keep_top_k")}
    return {
        "mode": "paddle",
        "draw_threshold": DRAW_THRESHOLD,
        **threshold_entries(session, [category.name for category in categories]),
        "metric": session.settings.metric,
        "use_dynamic_shape": export.dynamic_size or -1 in reader.inputs_def["image_shape"][-2:],
        "arch": "PicoDet" if export.raw else "GFL",  # by which PaddleDetection's runners choose the decoder
        "min_subgraph_size": 3,
        "Preprocess": _preprocess(session, reader),
        "label_list": [category.name for category in categories],
        "category_ids": [category.id for category in categories],
        "num_classes": session.settings.num_classes,
        # thresholds for runtimes that do NMS themselves, as published: stricter than the graph's, for speed
        "NMS": {"name": "MultiClassNMS", **nms, "score_threshold": 0.3, "nms_threshold": 0.5},
        "fpn_stride": list(model.head.fpn_stride),
        "cell_offset": model.head.cell_offset,
        "boxes": "input" if export.raw else export.box_unit,
        **({} if model.head.needs_nms else {"needs_nms": False}),
    }


def _preprocess(session: Session, reader: Reader) -> list[dict[str, Any]]:
    """The steps of TestReader that a runner has to do.

    Resize and NormalizeImage are written with all of their options, because runners have other defaults.
    """
    left_out = {"Decode", "NormalizeImage"} if session.settings.export.fuse_normalize else {"Decode"}
    steps = []
    transforms = map(_name_and_options, session.cfg.to_dict()["TestReader"]["sample_transforms"])
    for (name, options), built in zip(transforms, reader.sample_transforms, strict=True):
        if isinstance(built, NormalizeImage):
            options = {"mean": list(built.mean), "std": list(built.std), "is_scale": built.is_scale}
        elif isinstance(built, Resize):
            options = {"interp": built.interp, "target_size": list(built.sizes[0]), "keep_ratio": built.keep_ratio}
        if name not in left_out:
            steps.append({"type": name, **options})
    strides = [step.pad_to_stride for step in reader.batch_transforms if isinstance(step, PadBatch)]
    return steps + [{"type": "PadStride", "stride": stride} for stride in strides if stride > 1]


def _name_and_options(transform: str | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Class name and options of a transform, which a config can write in three ways."""
    if isinstance(transform, str):
        return transform, {}
    if "name" in transform:
        return transform["name"], {key: value for key, value in transform.items() if key != "name"}
    ((name, options),) = transform.items()
    return name, options or {}
