"""A training with TeacherLabels: it resumes bit for bit, and its result is an ordinary detector."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.session import open_session
from ppdet.training.loop import fit
from ppdet.training.setup import build_trainer
from ppdet.utils.weight_files import read_arrays
from tests.deploy.conftest import INFER_CFG, make_model
from tests.support.ranks import run_ranks
from tests.support.tiny import make_run


@pytest.fixture
def options(tiny: Path) -> list[str]:
    """The overrides of a training with a teacher that finds a green object in each image."""
    pytest.importorskip("onnxruntime")
    model = make_model(tiny.parent / "teacher" / "model.onnx", INFER_CFG | {"label_list": ["other", "green"]})
    return [f"TeacherLabels={{model: {model}, missing_labels: 0.4, soft: 0.5}}", "TrainReader.worker_num=2"]


def train(tiny: Path, *overrides: str, resume: Path | None = None) -> Path:
    """Trains into <output>/tiny; returns model_final."""
    trainer, progress = build_trainer(make_run(tiny, *overrides), resume=resume)
    fit(trainer, progress)
    return trainer.output_dir / "model_final"


def state_of(path: Path) -> dict[str, dict]:
    found = {suffix: read_arrays(Path(f"{path}{suffix}")) for suffix in (".pdparams", ".pdema", ".pdopt", ".pdstate")}
    for each in found.values():
        each.pop("checksums", None)
    return found


def test_resumed_equals_trained_in_one_go(tiny: Path, options: list[str]) -> None:
    whole = state_of(train(tiny, *options, "filename=whole"))
    first = train(tiny, *options, "filename=parts")
    shutil.rmtree(tiny.parent / "cache")  # the detections are made again
    np.testing.assert_equal(state_of(train(tiny, *options, "filename=parts", resume=first.with_name("1"))), whole)
    plain = state_of(train(tiny, "filename=plain"))
    name = next(iter(plain[".pdparams"]))
    assert plain[".pdparams"].keys() == whole[".pdparams"].keys()
    assert not np.array_equal(plain[".pdparams"][name], whole[".pdparams"][name])


def test_scores_that_are_all_one_change_no_bit(tiny: Path, options: list[str]) -> None:
    nothing = train(tiny, *options, "TeacherLabels.soft=0", "TeacherLabels.missing_labels=null", "filename=nothing")
    np.testing.assert_equal(state_of(nothing), state_of(train(tiny, "filename=plain")))


def test_batches_have_scores(tiny: Path, options: list[str]) -> None:
    trainer, _ = build_trainer(make_run(tiny, *options))
    batch = next(iter(trainer.loader.epoch(0)))
    trainer.loader.close()
    scores, real = batch.targets.gt_score.numpy(), batch.pad_gt_mask.numpy() > 0
    assert (scores[~real] == 0).all()
    assert ((scores[real] >= 0.4) & (scores[real] <= 1)).all()
    assert (scores[real] < 1).sum() > 0


@pytest.mark.parametrize("section", ["{model: nowhere}", "{modell_: x, soft: 7}", "null"])
def test_other_commands_need_no_teacher(tiny: Path, section: str, caplog: pytest.LogCaptureFixture) -> None:
    with tiny.open("a") as file:
        file.write(f"TeacherLabels: {section}\n")
    with caplog.at_level(logging.WARNING):
        session = open_session(tiny, training=False)
    assert len(session.load_annotated("TrainDataset")) == 5
    assert session.load_annotated("EvalDataset").records[0].gt_score is None
    warned = [record.getMessage() for record in caplog.records if "TeacherLabels" in record.getMessage()]
    assert len(warned) == ("modell_" in section)
    if "modell_" in section:
        assert warned[0].endswith("; only a training needs it")
        with pytest.raises(UserError, match=r"^TeacherLabels\.modell_: "):
            open_session(tiny)


@pytest.mark.slow
def test_two_ranks_train_on_the_same_labels(tiny: Path, options: list[str]) -> None:
    """One rank detects, and the other one waits; then each holds the same records and the same weights."""
    first, second = run_ranks("weights", 2, tiny.parent / "ranks", tiny, *options[:1])
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])
    (file,) = (tiny.parent / "cache").iterdir()
    assert file.suffix == ".npz"
