"""Puts a detector together from its config."""

from __future__ import annotations

from ppdet.core.registry import Builder
from ppdet.modeling.picodet import PicoDet


def build_model(builder: Builder) -> PicoDet:
    """The detector that `architecture` names; each part is given the widths and strides of the one before it."""
    cfg = builder.cfg
    section = cfg["PicoDet"]
    backbone = builder.build(section["backbone"], path="PicoDet.backbone")
    neck = builder.build(
        section["neck"], path="PicoDet.neck", in_channels=backbone.out_channels, in_strides=backbone.out_strides
    )
    head = builder.build(section["head"], path="PicoDet.head")
    return PicoDet(backbone, neck, head)
