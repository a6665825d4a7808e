"""A training with a teacher: what it trains, what it logs, and that it equals itself however its images are spread."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import paddle
import pytest

from ppdet.distillation import Distiller
from ppdet.distillation.network import DistilledOutputs, StudentOutputs
from ppdet.distillation.teacher import TeacherOutputs
from ppdet.evaluation.evaluator import build_evaluator
from ppdet.export.export import export
from ppdet.session import open_session
from ppdet.training.loop import _network
from ppdet.training.setup import TrainerParts, build_trainer
from ppdet.training.static_graph import StaticNetwork
from ppdet.training.step import accumulated_train_step, train_step
from ppdet.utils.weight_files import read_arrays
from tests.support.distilled import WIDER, distilling
from tests.support.ranks import make_batch, run_ranks
from tests.support.tiny import make_run
from tests.training.test_resume import InterruptAt, assert_same, train
from tests.training.test_step import Keep, parts_of

NAMES = ["distill_cls", "distill_box", "distill_feat"]


def trainer_of(tiny, *overrides: str, losses: str | None = None) -> tuple[TrainerParts, Distiller]:
    config = distilling(tiny, **({"losses": losses} if losses else {}))
    trainer, _ = build_trainer(make_run(config, "use_ema=false", *overrides))
    assert trainer.distiller
    return trainer, trainer.distiller


def test_the_student_learns_and_the_teacher_stays(tiny):
    trainer, distiller = trainer_of(tiny)
    before = {name: value.numpy() for name, value in distiller.teacher.model.state_dict().items()}
    network, keep = _network(trainer), Keep(distiller.student)
    trainer.model.train()
    losses = train_step(network, trainer.criterion, make_batch(1), 0, keep, keep)
    assert list(losses) == ["loss", "loss_vfl", "loss_bbox", "loss_dfl", *(f"loss_{name}" for name in NAMES)]
    parts = sum(float(value) for name, value in losses.items() if name != "loss")
    assert float(losses["loss"]) == pytest.approx(parts, rel=1e-5)
    projected = [keep.gradients[f"projector.layers.{i}.weight"] for i in range(4)]  # as data parallelism needs
    assert any(gradient.any() for gradient in projected)
    assert all(f"model.{name}" in keep.gradients for name, p in trainer.model.named_parameters() if not p.stop_gradient)
    for name, value in distiller.teacher.model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name], err_msg=name)
    assert all(p.grad is None for p in distiller.teacher.model.parameters())
    assert not any("teacher" in name for name, _ in network.named_parameters())


@pytest.mark.parametrize(
    ("teacher", "static"),
    [
        ("PicoHeadV2", False),
        pytest.param("PicoHeadV2", True, marks=pytest.mark.slow),
        pytest.param("PicoHeadE2E", False, marks=pytest.mark.slow),
        ("PicoHeadE2E", True),
    ],
)
def test_one_to_one_branches(tiny, teacher, static):
    """A student's branch is trained by its own loss as without a teacher; a teacher's changes nothing."""
    config = distilling(tiny, options=f"{WIDER}PicoDet: {{head: {teacher}}}\n")
    trainer, _ = build_trainer(make_run(config, "use_ema=false", "PicoDet.head=PicoHeadE2E", f"to_static={static}"))
    distiller, whole = trainer.distiller, make_batch(1)
    assert distiller
    trainer.model.eval()
    alone, keep = Keep(trainer.model), Keep(distiller.student)
    expected = train_step(trainer.model, trainer.model.criterion, whole, 200, alone, alone)
    network = _network(trainer)
    found = train_step(network, trainer.criterion, whole, 200, keep, keep)
    assert list(found) == [*expected, *(f"loss_{name}" for name in NAMES)]
    for name in expected.keys() - {"loss"}:
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-4), name
    parts = sum(float(value) for name, value in found.items() if name != "loss")
    assert float(found["loss"]) == pytest.approx(parts, rel=1e-5)
    branch = {name: value for name, value in alone.gradients.items() if name.startswith("head.one_to_one.")}
    largest = max(np.abs(value).max() for value in branch.values())
    for name, value in branch.items():
        np.testing.assert_allclose(keep.gradients[f"model.{name}"], value, rtol=1e-3, atol=2e-5 * largest, err_msg=name)
    assert all(p.grad is None for p in distiller.teacher.model.parameters())


def test_the_optimizer_has_the_projector_and_no_teacher(tiny):
    trainer, distiller = trainer_of(tiny)
    trained = [p.name for p in trainer.optimizer._parameter_list]
    own = [p.name for p in trainer.model.parameters() if not p.stop_gradient]
    assert trained == own + [p.name for p in distiller.parameters]
    assert len(set(trained)) == len(trained)
    assert len(distiller.parameters) == 8


def test_without_the_losses_the_training_is_the_same(tiny):
    """The teacher draws no random number that the model would have had, and a weight of 0 changes no update."""
    plain, _ = train(tiny, "filename=plain", "epoch=1")
    zero = "[ClassDistillation: {weight: 0}, BoxDistillation: {weight: 0}]"
    taught, _ = train(distilling(tiny, zero), "filename=taught", "epoch=1")
    for (name, value), expected in zip(
        taught.model.state_dict().items(), plain.model.state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(value.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("epoch", [0, 200])
def test_several_batches_train_like_one(tiny, epoch):
    trainer, distiller = trainer_of(tiny)
    trainer.model.eval()  # the running statistics of the norms are used
    network, keep, whole = _network(trainer), Keep(distiller.student), make_batch(1)
    expected = train_step(network, trainer.criterion, whole, epoch, keep, keep)
    gradients = keep.gradients
    found = accumulated_train_step(network, trainer.criterion, parts_of(whole, 4), epoch, keep, keep)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-4), name
    largest = max(np.abs(value).max() for value in gradients.values())
    for name, value in gradients.items():
        np.testing.assert_allclose(keep.gradients[name], value, rtol=1e-3, atol=2e-5 * largest, err_msg=name)


def test_losses_of_half_precision_outputs_are_computed_in_float32(tiny):
    """Both networks run in mixed precision, where the device has it."""
    trainer, _ = trainer_of(tiny)
    trainer.model.eval()
    whole = make_batch(1)
    outputs = _network(trainer)(whole.image)
    half = map_tensors(outputs, lambda tensor: tensor.astype("float16"))
    expected, found = (trainer.criterion(each, whole.targets, 0) for each in (outputs, half))
    assert {value.dtype for value in found.values()} == {paddle.float32}
    for name in NAMES:
        assert float(found[f"loss_{name}"]) == pytest.approx(float(expected[f"loss_{name}"]), rel=0.02), name


def map_tensors(outputs: DistilledOutputs, change: Callable[[paddle.Tensor], paddle.Tensor]) -> DistilledOutputs:
    """The outputs with `change` applied to scores, distances and features of both networks."""
    heads = [each.head._replace(cls=change(each.head.cls), reg=change(each.head.reg)) for each in outputs]
    features = [change(each.features) for each in outputs]
    return DistilledOutputs(StudentOutputs(heads[0], features[0]), TeacherOutputs(heads[1], features[1]))


def test_the_static_graph_has_the_features_as_well(tiny):
    trainer, distiller = trainer_of(tiny)
    trainer.model.eval()
    image = make_batch(0, count=2).image
    plain, recorded = distiller.student(image), StaticNetwork(distiller.student)(image)
    for found, expected in zip((*recorded.head[:2], recorded.features), (*plain.head[:2], plain.features), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_run_logs_all_losses_and_writes_an_ordinary_model(tiny):
    trainer, _ = train(distilling(tiny), "epoch=1", evaluate=True)
    plain, _ = train(tiny, "filename=plain", "epoch=1")
    record = json.loads((trainer.output_dir / "metrics.jsonl").read_text().splitlines()[0])
    assert all(record[f"loss_{name}"] > 0 for name in NAMES)
    for suffix in (".pdparams", ".pdema"):
        found, expected = (
            {name: np.shape(value) for name, value in read_arrays(each.output_dir / f"model_final{suffix}").items()}
            for each in (trainer, plain)
        )
        assert found == expected


def test_a_trained_model_is_used_without_its_teacher(tiny):
    """The section stays in the config; nothing that it names is there any more."""
    config = distilling(tiny)
    trainer, _ = train(config, "epoch=1")
    for suffix in (".yml", ".pdparams"):
        tiny.with_name(f"teacher{suffix}").unlink()
    session = open_session(config, [f"weights={trainer.output_dir / 'model_final.pdparams'}"], training=False)
    assert session.load_model()
    assert build_evaluator(session)(session.load_model()).keys() >= {"AP"}
    assert (export(session, tiny.parent / "exported") / "infer_cfg.yml").is_file()


def test_interrupted_and_resumed_equals_one_run(tiny):
    """With accumulation, an average of the weights and a projector, bit for bit."""
    config, options = distilling(tiny), ("accumulate_steps=2", "log_iter=1")
    train(config, "filename=whole", *options)
    stopping = {"callbacks": [InterruptAt(2)]}
    with pytest.raises(KeyboardInterrupt):
        train(config, "filename=part", *options, **stopping)
    part = tiny.parent / "output" / "part"
    assert (part / "interrupted.pdstate").is_file()
    train(config, "filename=part", *options, resume=part / "interrupted")
    assert_same(tiny.parent / "output" / "whole" / "model_final", part / "model_final")


def test_ranks_equal_one_process(tiny):
    """Two ranks with four images each train like one with eight, the projector included."""
    config = distilling(tiny)
    alone = run_ranks("distilled_steps", 1, tiny.parent / "alone", config)[0]
    both = run_ranks("distilled_steps", 2, tiny.parent / "both", config)
    assert any("projector" in name for name in alone)
    for name, expected in alone.items():
        for found in both:
            np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)
