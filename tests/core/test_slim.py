"""Overlays of PaddleDetection's configs/slim: each is taken or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.core.slim import check_slim_config, refuse_pruning

QAT = """
pretrain_weights: https://paddledet.bj.bcebos.com/models/picodet_s_416_coco_lcnet.pdparams
slim: QAT
QAT:
  quant_config: {weight_bits: 8, quantizable_layer_type: [Conv2D, Linear]}
LearningRate:
  schedulers:
  - !CosineDecay
    max_epochs: 300
"""
DISTILL = """
_BASE_: ['../../picodet/_base_/picodet_v2.yml']
slim: Distill
slim_method: MGD
MGDFeatureLoss: {student_channels: 96}
"""


@pytest.mark.parametrize("command", ["train", "eval", "infer", "export", "quantize"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (QAT, "slim: QAT: training in INT8 is not built in; quantize an export with tools/post_quant.py"),
        ("slim: Pruner", "slim: Pruner: pruning is not built in: cut widths fit no published weights"),
        ("slim: UnstructuredPruner", "slim: UnstructuredPruner: pruning is not built in: .* of 0 make no runtime here"),
        ("slim: OFA", "slim: OFA: pruning is not built in"),
        ("slim: Prunner", "found slim: 'Prunner'; expected one of QAT, PTQ, Distill, "),
        ("epoch: 3", "found no slim key; expected one of QAT, PTQ, Distill, "),
        ("[1]", "holds a list; a config is a mapping"),
    ],
    ids=lambda value: None if value == QAT else value,
)
def test_refused(tmp_path: Path, command: str, text: str, reason: str) -> None:
    file = tmp_path / "overlay.yml"
    file.write_text(text)
    with pytest.raises(UserError, match=rf"^{file}: {reason}") as error:
        check_slim_config(file, command)
    assert "\n" not in str(error.value)


def test_distillation_changes_the_training_alone(tmp_path: Path) -> None:
    """The base of the overlay, the teacher, need not be there."""
    file = tmp_path / "overlay.yml"
    file.write_text(DISTILL)
    for command in ("eval", "infer", "export", "quantize"):
        check_slim_config(file, command)
    with pytest.raises(UserError, match="slim: Distill: distillation is not built in; train without --slim_config"):
        check_slim_config(file, "train")


def test_post_training_quantization_is_what_quantize_does(tmp_path: Path) -> None:
    file = tmp_path / "overlay.yml"
    file.write_text("slim: PTQ")
    check_slim_config(file, "quantize")
    with pytest.raises(UserError, match="slim: PTQ: quantize an export with tools/post_quant.py"):
        check_slim_config(file, "export")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none.yml: cannot be read, no such file"):
        check_slim_config(tmp_path / "none.yml", "train")


def test_pruning_as_a_key() -> None:
    for not_wanted in (None, False):
        refuse_pruning(not_wanted)
    with pytest.raises(
        UserError, match=r"^unstructured_prune: pruning is not built in: .*set unstructured_prune: false$"
    ):
        refuse_pruning(True)
