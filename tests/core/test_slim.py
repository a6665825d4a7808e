"""Overlays of PaddleDetection's configs/slim: each is taken or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.slim import refuse_pruning, slim_overrides

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
_BASE_: ['picodet_v2.yml']
pretrain_weights: ./picodet_m_416_coco_lcnet.pdparams
slim: Distill
slim_method: MGD
distill_loss: MGDFeatureLoss
distill_loss_name: [neck_f_3, neck_f_2, neck_f_1, neck_f_0]
MGDFeatureLoss: {student_channels: 96, teacher_channels: 128, alpha: 0.65, weight: 0.00002}
"""


@pytest.mark.parametrize("command", ["train", "eval", "infer", "export", "quantize"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("slim: Pruner", "slim: Pruner: pruning is not built in: cut widths fit no published weights"),
        ("slim: UnstructuredPruner", "slim: UnstructuredPruner: pruning is not built in: .* of 0 make no runtime here"),
        ("slim: OFA", "slim: OFA: pruning is not built in"),
        ("slim: Prunner", "found slim: 'Prunner'; expected one of QAT, PTQ, Distill, "),
        ("epoch: 3", "found no slim key; expected one of QAT, PTQ, Distill, "),
        ("[1]", "holds a list; a config is a mapping"),
    ],
)
def test_refused(tmp_path: Path, command: str, text: str, reason: str) -> None:
    file = tmp_path / "overlay.yml"
    file.write_text(text)
    with pytest.raises(UserError, match=rf"^{file}: {reason}") as error:
        slim_overrides(file, command)
    assert "\n" not in str(error.value)


def test_distillation_changes_the_training_alone(tmp_path: Path) -> None:
    """The base of the overlay, the teacher, need not be there."""
    file = tmp_path / "overlay.yml"
    file.write_text(DISTILL)
    for command in ("eval", "infer", "export", "quantize"):
        assert slim_overrides(file, command) == []
    with pytest.raises(UserError, match=r"picodet_v2.yml: cannot be read, no such file"):
        slim_overrides(file, "train")


@pytest.mark.parametrize(("method", "loss"), [("MGD", "FeatureDistillation"), ("LD", "BoxDistillation")])
def test_distillation_becomes_a_section(tmp_path: Path, method: str, loss: str) -> None:
    (tmp_path / "picodet_v2.yml").write_text("architecture: PicoDet")
    file = tmp_path / "overlay.yml"
    file.write_text(DISTILL.replace("slim_method: MGD", f"slim_method: {method}"))
    config = tmp_path / "xs.yml"
    config.write_text("epoch: 1")
    assert load_config(config, slim_overrides(file, "train"))["Distillation"].to_dict() == {
        "teacher": str(file),
        "teacher_weights": "./picodet_m_416_coco_lcnet.pdparams",
        "losses": [{loss: {}}],
    }


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            "MGD\n",
            "PPYOLOEDistill\n",
            "slim_method: found 'PPYOLOEDistill'; expected one of LD, CWD, FGD, MGD, PKD; write",
        ),
        ("_BASE_", "architecture: GFL\n_BASE_", "architecture: found 'GFL'; expected PicoDet for the teacher; write a"),
        (
            "pretrain_weights",
            "weights",
            "pretrain_weights: required, the teacher's weights; write a section Distillation:",
        ),
    ],
)
def test_distillation_of_another_kind(tmp_path: Path, before: str, after: str, reason: str) -> None:
    (tmp_path / "picodet_v2.yml").write_text("architecture: PicoDet")
    file = tmp_path / "overlay.yml"
    file.write_text(DISTILL.replace(before, after, 1))
    with pytest.raises(UserError, match=rf"^{file}: {reason}") as error:
        slim_overrides(file, "train")
    assert "\n" not in str(error.value)


def test_training_in_int8(tmp_path: Path, caplog) -> None:
    """All that the overlay sets goes over the config, and its options that are not used are named."""
    file, config = tmp_path / "overlay.yml", tmp_path / "xs.yml"
    file.write_text(QAT)
    config.write_text("epoch: 1\nLearningRate: {base_lr: 0.1, schedulers: []}")
    for command in ("eval", "infer", "export", "quantize"):
        assert slim_overrides(file, command) == []
    with caplog.at_level("INFO"):
        found = load_config(config, slim_overrides(file, "train")).to_dict()
    assert found["QAT"] == {}
    assert found["filename"] == "xs"
    assert found["pretrain_weights"].endswith("picodet_s_416_coco_lcnet.pdparams")
    assert found["LearningRate"] == {"base_lr": 0.1, "schedulers": [{"name": "CosineDecay", "max_epochs": 300}]}
    assert "QAT.quant_config: not used here, the target decides: quantizable_layer_type" in caplog.text


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            "{weight_bits: 8, quantizable_layer_type: [Conv2D, Linear]}",
            "[8]",
            "QAT.quant_config: found .8.; expected a",
        ),
        ("weight_bits: 8", "weight_bits: 4", "QAT.quant_config.weight_bits: found 4; expected 8"),
        (
            "quant_config: {weight_bits: 8, quantizable_layer_type: [Conv2D, Linear]}",
            "- 1",
            "QAT: found .*; expected a",
        ),
    ],
)
def test_training_in_int8_of_another_kind(tmp_path: Path, before: str, after: str, reason: str) -> None:
    file = tmp_path / "overlay.yml"
    file.write_text(QAT.replace(before, after))
    with pytest.raises(UserError, match=rf"^{file}: {reason}") as error:
        slim_overrides(file, "train")
    assert "\n" not in str(error.value)


def test_post_training_quantization_is_what_quantize_does(tmp_path: Path) -> None:
    file = tmp_path / "overlay.yml"
    file.write_text("slim: PTQ")
    slim_overrides(file, "quantize")
    with pytest.raises(UserError, match="slim: PTQ: quantize an export with tools/post_quant.py"):
        slim_overrides(file, "export")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none.yml: cannot be read, no such file"):
        slim_overrides(tmp_path / "none.yml", "train")


def test_pruning_as_a_key() -> None:
    for not_wanted in (None, False):
        refuse_pruning(not_wanted)
    with pytest.raises(
        UserError, match=r"^unstructured_prune: pruning is not built in: .*set unstructured_prune: false$"
    ):
        refuse_pruning(True)
