"""Puts a detector together from its config."""

from __future__ import annotations

from collections.abc import Sequence

from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.modeling.heads.base import DenseHead
from ppdet.modeling.necks.pan import PathAggregation
from ppdet.modeling.picodet import PicoDet


def build_model(builder: Builder) -> PicoDet:
    """The detector that `architecture` names; each part is given the widths and strides of the one before it."""
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
    return PicoDet(backbone, neck, head)


def _check_own(cfg: Config, name: str, key: str, given: Sequence[int]) -> None:
    """Raise UserError where a section sets an option that is given to its part, to another value."""
    found = (cfg.get(name) or {}).get(key)
    if found is not None and list(found) != list(given):
        raise UserError(f"{name}.{key}: found {list(found)}, but what it is given has {list(given)}; leave it out")


def _check_fit(neck: PathAggregation, head: DenseHead) -> None:
    """Raise UserError where the head's options do not describe the neck's features."""
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
    """Raise UserError where the head, or an assigner of it, has a number of classes of its own."""
    name = type(head).__name__
    for path, found in (
        (f"{name}.num_classes", head.num_classes),
        (f"{name}.static_assigner.num_classes", getattr(getattr(head, "static_assigner", None), "num_classes", None)),
    ):
        if found not in (None, num_classes):
            raise UserError(f"{path}: found {found}, but num_classes is {num_classes}; set that one only")
