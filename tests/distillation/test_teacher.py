"""A teacher that is missing or does not fit is refused in one line before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.core.slim import slim_overrides
from ppdet.data.datasets import Category
from ppdet.distillation.losses import FeatureDistillation
from ppdet.training.checkpoint import save_weights
from ppdet.training.setup import build_trainer
from tests.support.distilled import WIDER, distilling, write_teacher
from tests.support.tiny import CLASSES, make_run, write_config
from tests.training.test_resume import train

CLASS = "[ClassDistillation: {}]"


def refusal(config: Path, *overrides: str, **options) -> str:
    """The one line that the training of `config` ends with, before it writes anything."""
    with pytest.raises(UserError) as error:
        build_trainer(make_run(config, *overrides), **options)
    text = str(error.value)
    assert "\n" not in text
    assert not (config.parent / "output" / "student").exists()
    return text


def with_section(tiny: Path, **options: str) -> Path:
    """`tiny` with a teacher that need not be there."""
    section = {"teacher": "teacher.yml", "teacher_weights": "teacher.pdparams", "losses": CLASS} | options
    student = tiny.with_name("student.yml")
    inline = ", ".join(f"{key}: {value}" for key, value in section.items())
    student.write_text(f"_BASE_: [{tiny.name}]\nDistillation: {{{inline}}}\n")
    return student


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "none.yml"}, "Distillation.teacher: none.yml: cannot be read, no such file"),
        ({"teacher": "a/yolo.onnx"}, "Distillation.teacher: found a/yolo.onnx, an exported model; expected the config"),
        (
            {"teacher_weights": "m.onnx"},
            "Distillation.teacher_weights: found m.onnx, an exported model; expected its weights (.pdparams); "
            "TeacherLabels learns from the detections of an exported model",
        ),
        ({"losses": "[]"}, "Distillation.losses: found none; expected at least one of ClassDistillation, Box"),
        (
            {"losses": "[ClassDistillation: {}, ClassDistillation: {weight: 2}]"},
            "Distillation.losses: ClassDistillation is there twice; name each loss once",
        ),
        ({"losses": "[LCNet: {}]"}, "Distillation.losses.0: expected a DistillationLoss, found the class 'LCNet'"),
        (
            {"losses": "[BoxDistillation: {temperature: 0}]"},
            "Distillation.losses.0.BoxDistillation.temperature: expected above 0, found 0",
        ),
        ({"losses": "[BoxDistilation: {}]"}, "no class 'BoxDistilation' is registered; did you mean 'BoxDistillation'"),
    ],
    ids=str,
)
def test_a_section_that_says_nothing_to_learn_from(tiny, options, message):
    assert message in refusal(with_section(tiny, **options))


def test_teacher_and_weights_are_required(tiny):
    student = tiny.with_name("student.yml")
    student.write_text(f"_BASE_: [{tiny.name}]\nDistillation: {{losses: {CLASS}}}\n")
    assert refusal(student) == "Distillation.teacher: required, not given"


def test_a_wrong_reader_of_the_teacher_is_named_as_the_teacher_s(tiny):
    config, weights = write_teacher(tiny, WIDER + "EvalReader: {sample_transforms: []}\n")
    student = with_section(tiny, teacher=str(config), teacher_weights=str(weights))
    assert refusal(student).startswith("Distillation.teacher: EvalReader.sample_transforms: must begin with Decode")


def test_weights_that_are_missing_or_of_another_model(tiny):
    teacher, _ = write_teacher(tiny)
    student = with_section(tiny, teacher=str(teacher), teacher_weights="none.pdparams")
    assert refusal(student).startswith("Distillation.teacher_weights: none.pdparams: no such weights file; expected a")
    _, narrow = write_teacher(tiny, options="")
    teacher.write_text(f"_BASE_: [{tiny.name}]\n{WIDER}")
    student = with_section(tiny, teacher=str(teacher), teacher_weights=str(narrow))
    assert refusal(student).startswith(f"Distillation.teacher_weights: {narrow}: these are weights of another model: ")


def test_weights_whose_predictions_are_not_finite(tiny):
    teacher, weights = write_teacher(tiny)
    model = make_run(teacher).build_model()
    for parameter in model.parameters():
        parameter.set_value(parameter * 1e6)
    save_weights(weights.with_suffix(""), model, model.state_dict())
    student = with_section(tiny, teacher=str(teacher), teacher_weights=str(weights))
    assert refusal(student) == (
        f"Distillation.teacher_weights: {weights} predicts NaN or infinite values; take other weights"
    )


def test_other_classes(tiny):
    student = distilling(tiny, CLASS, classes=tuple(reversed(CLASSES)))
    text = refusal(student)
    assert text.startswith("Distillation.teacher_weights: ")
    assert f"knows the classes {', '.join(reversed(CLASSES))}; expected those of TrainDataset in their order: " in text
    student = distilling(tiny, CLASS, options="num_classes: 4\n", classes=(*CLASSES, "more"))
    assert "has 4 classes; expected the 3 of TrainDataset; give the config.yml of a training on them" in refusal(
        student
    )


@pytest.mark.parametrize(
    ("options", "losses", "message"),
    [
        (
            "LCPAN: {num_features: 3}\nPicoHeadV2: {fpn_stride: [8, 16, 32], conv_feat: {num_fpn_stride: 3}}",
            CLASS,
            "its PicoHeadV2 has fpn_stride: [8, 16, 32]; expected [8, 16, 32, 64], as the model that is trained; take",
        ),
        (
            "PicoHeadV2: {reg_max: 8}",
            "[BoxDistillation: {}]",
            "its PicoHeadV2 has reg_max: 8; expected 7, as the model that is trained; leave out BoxDistillation, or",
        ),
        ("PicoHeadV2: {cell_offset: 0.0}", CLASS, "its PicoHeadV2 has cell_offset: 0.0; expected 0.5"),
        (
            "EvalReader: {sample_transforms: [Decode: {}, NormalizeImage: {mean: [0, 0, 0], std: [1, 1, 1]}]}",
            CLASS,
            "teacher.yml is not that of TrainReader; expected the same, because both models get the same images;",
        ),
    ],
    ids=["strides", "bins", "cells", "normalization"],
)
def test_a_teacher_that_predicts_other_things(tiny, options, losses, message):
    text = refusal(distilling(tiny, losses, options=options))
    assert text.startswith("Distillation.teacher: ")
    assert message in text


def test_another_number_of_bins_does_not_matter_to_class_scores(tiny):
    trainer, _ = build_trainer(make_run(distilling(tiny, CLASS, options="PicoHeadV2: {reg_max: 8}")))
    assert trainer.distiller.teacher.model.head.reg_max == 8


def test_logits_and_probabilities_do_not_mix(tiny):
    legacy = write_config(tiny.parent, "legacy_model/picodet_s_320_coco.yml").rename(tiny.with_name("legacy.yml"))
    write_config(tiny.parent)
    teacher, weights = write_teacher(legacy, options="")
    text = refusal(with_section(tiny, teacher=str(teacher), teacher_weights=str(weights)))
    assert text.startswith(
        "Distillation.teacher: its PicoHead has scores: logits; expected probabilities, as the model"
    )


def test_a_teacher_may_have_had_a_teacher(tiny):
    """Nothing reads that one: a chain from large to small is trained link by link."""
    teacher, weights = write_teacher(tiny)
    with teacher.open("a") as file:
        file.write(f"Distillation: {{teacher: none.yml, teacher_weights: none, losses: {CLASS}}}\n")
    student = with_section(tiny, teacher=str(teacher), teacher_weights=str(weights))
    assert build_trainer(make_run(student))[0].distiller


def test_an_overlay_of_paddledetection_is_a_teacher(tiny):
    """Its keys for distillation, from which the section was made, do not stop its being read."""
    teacher, weights = write_teacher(tiny)
    with teacher.open("a") as file:
        file.write(f"pretrain_weights: {weights}\nslim: Distill\nslim_method: CWD\ndistill_loss: CWDFeatureLoss\n")
        file.write("distill_loss_name: [neck_f_0]\nCWDFeatureLoss: {student_channels: 40, weight: 1}\n")
    distiller = build_trainer(make_run(tiny, *slim_overrides(teacher, "train")))[0].distiller
    assert [type(loss) for loss in distiller.losses] == [FeatureDistillation]


def test_the_teacher_is_frozen_and_in_evaluation(tiny):
    trainer, _ = build_trainer(make_run(distilling(tiny)))
    trainer.model.train()
    teacher = trainer.distiller.teacher
    assert not any(layer.training for layer in teacher.model.sublayers(include_self=True))
    assert all(parameter.stop_gradient for parameter in teacher.model.parameters())
    image = paddle.randn([2, 3, 64, 64])
    outputs = teacher(image)
    assert outputs.head.cls.stop_gradient
    plain = make_run(tiny.with_name("teacher.yml")).build_model()
    plain.set_state_dict(teacher.model.state_dict())
    plain.eval()
    for found, expected in zip(outputs.head[:2], plain(image)[:2], strict=True):  # the CPU's loops round otherwise
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)


def test_resume_refuses_another_teacher_and_other_losses(tiny):
    trainer, _ = train(distilling(tiny), "epoch=1", "filename=first")
    checkpoint = trainer.output_dir / "model_final"
    again = {"resume": checkpoint}
    assert refusal(tiny, **again).startswith(f"Distillation: found no section, but {checkpoint} was saved with the run")
    text = refusal(distilling(tiny, CLASS), **again)
    assert text.startswith(f"Distillation.losses: {checkpoint} has a projector of features")
    student = distilling(tiny)
    model = make_run(tiny.with_name("teacher.yml")).build_model()
    weights = tiny.with_name("teacher.pdparams")
    save_weights(weights.with_suffix(""), model, model.state_dict(), [Category(i, c) for i, c in enumerate(CLASSES)])
    text = refusal(student, **again)
    assert text.startswith(
        f"Distillation.teacher_weights: {weights} is not the teacher of {checkpoint}, {weights} (SHA"
    )
    plain, _ = train(tiny, "epoch=1", "filename=plain")
    text = refusal(student, resume=plain.output_dir / "model_final")
    assert text.startswith("Distillation: found a section, but ")
