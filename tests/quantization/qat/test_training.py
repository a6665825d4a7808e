"""Trainings in INT8: what they train, write and refuse, and that they equal themselves however they are interrupted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.modeling.fake_quant import has_fake_quant
from ppdet.quantization.qat.trained import load_fake_quant
from ppdet.session import Session
from ppdet.training.loop import _network
from ppdet.training.setup import build_trainer
from ppdet.training.step import train_step
from ppdet.utils.weight_files import read_arrays
from ppdet.weights.load import load_weights
from tests.support.ranks import make_batch, run_ranks
from tests.support.tiny import make_run
from tests.training.test_resume import InterruptAt, assert_same, train
from tests.training.test_step import Keep

OPTIONS = ("accumulate_steps=2", "log_iter=1", "epoch=2")


@pytest.fixture
def start(config):
    """`int8_start` of a training: the quantization is made once for all tests."""

    def copy(session: Session, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(config.with_name("int8_start.pdparams"), file)

    return {"int8_start": copy}


def test_the_float_model_teaches(config, start):
    trainer, _ = build_trainer(make_run(config, "filename=taught"), **start)
    assert trainer.distiller
    assert trainer.distiller.teacher.weights == config.with_name("weights.pdparams")
    assert not has_fake_quant(trainer.distiller.teacher.model)
    before = {name: value.numpy() for name, value in trainer.model.state_dict().items()}
    trainer.model.train()
    keep = Keep(trainer.model)
    losses = train_step(_network(trainer), trainer.criterion, make_batch(1), 0, keep, keep)
    assert float(losses["loss"]) == pytest.approx(sum(float(losses[f"loss_distill_{name}"]) for name in ("cls", "box")))
    assert [*losses] == ["loss", "loss_vfl", "loss_bbox", "loss_dfl", "loss_distill_cls", "loss_distill_box"]
    assert all(name in keep.gradients for name, p in trainer.model.named_parameters() if not p.stop_gradient)
    steps = [name for name in keep.gradients if name.startswith("fake_quant.")]
    assert sum(bool(keep.gradients[name].any()) for name in steps) > 0.9 * len(steps)
    for name, value in trainer.model.state_dict().items():
        if name.endswith(("_mean", "_variance")):
            np.testing.assert_array_equal(value.numpy(), before[name], err_msg=name)


def test_without_a_teacher(config, start):
    trainer, _ = build_trainer(make_run(config, "filename=alone", "QAT.losses=[]", "QAT.label_weight=1"), **start)
    assert trainer.distiller is None
    assert has_fake_quant(trainer.model)


def test_interrupted_and_resumed_equals_one_run(config, start):
    """With accumulation, an average of the weights and a teacher, bit for bit."""
    whole, _ = train(config, "filename=whole", *OPTIONS, evaluate=True, **start)
    with pytest.raises(KeyboardInterrupt):
        train(config, "filename=part", *OPTIONS, callbacks=[InterruptAt(1)], evaluate=True, **start)
    part = whole.output_dir.with_name("part")
    (part / "int8_start.pdparams").unlink()  # the checkpoint holds all
    train(config, "filename=part", *OPTIONS, resume=part / "interrupted", evaluate=True)
    assert_same(whole.output_dir / "model_final", part / "model_final")
    _check_scores(config, whole.output_dir / "model_final.pdparams")
    _check_other_runs(config, whole.output_dir / "model_final", start)


def _check_scores(config: Path, weights: Path) -> None:
    """The evaluation of the run scored the fake-quantized average; the file is also that of an ordinary model."""
    session = make_run(config, f"weights={weights}")
    model = load_fake_quant(session)
    assert model
    scores = build_evaluator(session)(model)
    records = (weights.parent / "metrics.jsonl").read_text().splitlines()
    logged = [each for line in records if "AP" in (each := json.loads(line))]
    assert logged[-1]["AP"] == pytest.approx(scores["AP"], abs=1e-6)
    plain = session.build_model()
    load_weights(plain, weights)
    start = read_arrays(config.with_name("int8_start.pdparams"))
    changed = {
        name
        for name, value in read_arrays(weights).items()
        if name != "ppdet.int8" and np.any(value != start.get(name))
    }
    assert any(name.endswith("change") for name in changed)
    assert any(name.startswith("backbone") for name in changed)


def _check_other_runs(config: Path, checkpoint: Path, start: dict) -> None:
    with pytest.raises(UserError, match=r"^QAT: found no section, but .*model_final was saved with one; resume with"):
        build_trainer(make_run(config.with_name("tiny.yml"), *OPTIONS, "epoch=3"), resume=checkpoint)
    other = "pretrain_weights=" + str(config.with_name("int8_start.pdparams"))
    with pytest.raises(UserError, match=r"^QAT.target: found openvino, but .* was trained for onnxruntime; continue"):
        build_trainer(make_run(config, *OPTIONS, "epoch=3", "QAT.target=openvino"), resume=checkpoint)
    with pytest.raises(UserError, match=r"is not the teacher of .*model_final"):
        build_trainer(make_run(config, *OPTIONS, "epoch=3", other), resume=checkpoint)


def test_a_checkpoint_of_a_float_training(config, start):
    trainer, _ = train(config.with_name("tiny.yml"), "filename=float", "epoch=1")
    checkpoint = trainer.output_dir / "model_final"
    with pytest.raises(UserError, match=r"^QAT: found a section, but .*model_final was saved without; resume without"):
        build_trainer(make_run(config, "epoch=2"), resume=checkpoint)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("pretrain_weights=null", r"^pretrain_weights: required with QAT, the weights of the trained float model"),
        ("QAT.losses=[{FeatureDistillation: {}}]", r"^QAT.losses: found FeatureDistillation; expected losses of pred"),
        ("QAT.losses=[{BoxDistillation: {}}, {BoxDistillation: {}}]", r"^QAT.losses: BoxDistillation is there twice"),
        ("QAT.losses=[]", r"^QAT.label_weight: found 0 without QAT.losses; expected a loss to learn from; set it to 1"),
        ("TrainReader.batch_size=auto", r"^TrainReader.batch_size: found auto; expected a number with QAT"),
    ],
)
def test_refused_when_built(config, option, message):
    from ppdet.quantization.qat.start import write_int8_start

    with pytest.raises(UserError, match=message) as error:
        build_trainer(make_run(config, option, "filename=refused"), int8_start=write_int8_start)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("QAT.target=cuda", r"^QAT.target: "),
        ("QAT.calib_images=0", r"^QAT.calib_images: "),
        ("QAT.losses=3", r"^QAT.losses"),
        ("QAT.epochs=3", r"^QAT.epochs: "),
        ("QAT.losses=[{GIoULoss: {}}]", r"^QAT.losses"),
        ("QAT=3", r"^QAT: "),
    ],
)
def test_refused_when_read(config, option, message):
    with pytest.raises(UserError, match=message) as error:
        make_run(config, option).builder.build("QAT")
    assert "\n" not in str(error.value)


def test_ranks_equal_one_process(config):
    """Two ranks with four images each train like one with eight."""
    alone = run_ranks("int8_steps", 1, config.parent / "alone", config)[0]
    both = run_ranks("int8_steps", 2, config.parent / "both", config)
    assert any(name.startswith("fake_quant.") for name in alone)
    for name, expected in alone.items():
        np.testing.assert_array_equal(both[0][name], both[1][name], err_msg=name)
        np.testing.assert_allclose(both[0][name], expected, rtol=1e-3, atol=1e-4, err_msg=name)
