"""A teacher for the runs of tiny.py, and configs with it."""

from __future__ import annotations

from pathlib import Path

import paddle

from ppdet.data.datasets import Category
from ppdet.training.checkpoint import save_weights
from tests.support.tiny import CLASSES, make_run

ALL_LOSSES = "[ClassDistillation: {weight: 2}, BoxDistillation: {}, FeatureDistillation: {weight: 0.5}]"
WIDER = """\
LCNet: {scale: 0.5}
LCPAN: {out_channels: 64}
PicoHeadV2: {conv_feat: {feat_in: 64, feat_out: 64}, feat_in_chan: 64}
"""


def write_teacher(config: Path, options: str = WIDER, classes: tuple[str, ...] = tuple(CLASSES)) -> tuple[Path, Path]:
    """A config with `options` on top of `config`, and weights of it whose scores differ from point to point."""
    file = config.with_name("teacher.yml")
    file.write_text(f"_BASE_: [{config.name}]\n{options}")
    paddle.seed(3)
    model = make_run(file).build_model()
    image = paddle.randn([2, 3, 64, 64])
    with paddle.no_grad():
        for _ in range(20):  # so that the norms know the features, which would vanish in evaluation
            model(image)
        for convs, factor in ((model.head.head_cls, 4000), (model.head.head_reg, 1000)):
            for conv in convs or ():  # PicoHead has none of its own for boxes
                conv.weight.set_value(conv.weight * factor)
    weights = file.with_name("teacher.pdparams")
    categories = [Category(i, name) for i, name in enumerate(classes)]
    save_weights(weights.with_suffix(""), model, model.state_dict(), categories)
    return file, weights


def distilling(config: Path, losses: str = ALL_LOSSES, **teacher: str) -> Path:
    """`config` with a teacher, which is written as `write_teacher` does."""
    file, weights = write_teacher(config, **teacher)
    student = config.with_name("student.yml")
    section = f"Distillation: {{teacher: {file}, teacher_weights: {weights}, losses: {losses}}}\n"
    student.write_text(f"_BASE_: [{config.name}]\n{section}")
    return student
