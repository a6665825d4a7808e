"""Builds a detector from its config."""

from __future__ import annotations

from collections.abc import Sequence

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.modeling.criterion import TaskAlignedCriterion
from ppdet.modeling.heads.base import DenseHead
from ppdet.modeling.necks.pan import PathAggregation
from ppdet.modeling.picodet import PicoDet


def build_model(builder: Builder) -> PicoDet:
    """Builds the detector of the config; each part is given the widths and strides of the one before it."""
    cfg = builder.cfg
    section = cfg["PicoDet"]
    backbone = builder.build(section["backbone"], key="PicoDet.backbone")
    neck = builder.build(
        section["neck"], key="PicoDet.neck", in_channels=backbone.out_channels, in_strides=backbone.out_strides
    )
    for key, width in (("in_channels", backbone.out_channels), ("in_strides", backbone.out_strides)):
        _check_own(cfg, type(neck).__name__, key, width)
    head = builder.build(section["head"], key="PicoDet.head")
    _check_fit(neck, head)
    _check_classes(head, cfg.get("num_classes", Settings.num_classes))
    return PicoDet(backbone, neck, head, section.get("train_only"))


def _check_own(cfg: Config, name: str, key: str, given: Sequence[int]) -> None:
    """Raises UserError if the section `name` sets the option `key`, which its part is `given`, to another value."""
    found = (cfg.get(name) or {}).get(key)
    if found is not None and list(found) != list(given):
        raise UserError(f"{name}.{key}: found {list(found)}, but what it is given has {list(given)}; leave it out")


def _check_fit(neck: PathAggregation, head: DenseHead) -> None:
    """Raises UserError if the head's options do not describe the neck's features."""
    feat = head.conv_feat
    for key, found, expected in (
        ("fpn_stride", list(head.fpn_stride), neck.out_strides),
        ("conv_feat.num_fpn_stride", feat.num_fpn_stride, len(neck.out_strides)),
        ("conv_feat.feat_in", feat.feat_in, neck.out_channels),
        ("feat_in_chan", head.feat_in_chan, feat.feat_out),
    ):
        if found != expected:
            raise UserError(f"{type(head).__name__}.{key}: found {found}, but what it is given has {expected}")


def _check_classes(head: DenseHead, num_classes: int) -> None:
    """Raises UserError if the head, or an assigner of it, has another number of classes than `num_classes`."""
    found = {f"{type(head).__name__}.num_classes": head.num_classes}
    if isinstance(head.criterion, TaskAlignedCriterion):
        found[f"{type(head).__name__}.static_assigner.num_classes"] = head.criterion.static_assigner.num_classes
    for path, own in found.items():
        if own != num_classes:
            raise UserError(f"{path}: found {own}, but num_classes is {num_classes}; set that one only")
