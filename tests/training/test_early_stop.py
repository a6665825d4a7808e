"""The end of a training whose scores have stopped rising, whatever interrupts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.core.errors import OutOfTime, UserError
from ppdet.training import loop
from ppdet.training.checkpoint import TrainingPosition
from ppdet.training.checkpoint_folder import best_score, read_whole
from ppdet.training.early_stop import evaluations_without_rise, reason_to_stop
from ppdet.training.loop import fit
from ppdet.training.setup import TrainerParts, build_trainer
from ppdet.utils.weight_files import read_arrays
from tests.support.ranks import run_ranks
from tests.support.tiny import make_run, write_config, write_dataset

RULE = ("snapshot_epoch=1", "epoch=20", "early_stop={patience: 1, min_delta: 0.1}")
SCORES = [0.3, 0.35, 0.9, 0.95]  # by epoch: the second is better, but not by more than 0.1
END = 2


def rate(*scores: float) -> list[tuple[int, float]]:
    return [(epoch + 1, score) for epoch, score in enumerate(scores)]


# ---- the rule ----


@pytest.mark.parametrize(
    ("scores", "min_delta", "waited"),
    [
        ([], 0.0, 0),
        ([0.1], 0.0, 0),
        ([0.1], 5.0, 0),  # the first one rises from nothing
        ([0.1, 0.2, 0.3], 0.0, 0),
        ([0.3, 0.3, 0.2], 0.0, 2),
        ([0.1, 0.3, 0.2, 0.3], 0.0, 2),
        ([0.1, 0.15, 0.19, 0.21], 0.1, 0),  # small rises add up
        ([0.1, 0.15, 0.19, 0.2], 0.125, 3),
        ([0.5, 0.1, 0.2, 0.3], 0.0, 3),
        ([-1.0, -1.0], 0.0, 1),
    ],
)
def test_evaluations_without_a_rise(scores, min_delta, waited):
    assert evaluations_without_rise(rate(*scores), min_delta) == waited


def test_the_reason_in_words():
    scores = rate(0.1, 0.412, 0.4, 0.4125)
    assert reason_to_stop({"patience": 2, "min_delta": 0.001}, scores, "AP") == (
        "early_stop: AP did not rise by more than 0.001 in 2 evaluations (best 0.4125 in epoch 4); stopping in epoch 4"
    )
    assert reason_to_stop({"patience": 1}, rate(0.5, 0.5), "mAP") == (
        "early_stop: mAP did not rise in 1 evaluations (best 0.5000 in epoch 1); stopping in epoch 2"
    )
    assert reason_to_stop({"patience": 3, "min_delta": 0.001}, scores, "AP") is None
    assert reason_to_stop(None, scores, "AP") is None


# ---- in a training ----


def build(config: Path, *overrides: str, **options) -> tuple[TrainerParts, TrainingPosition]:
    """A trainer whose evaluations find SCORES."""
    trainer, progress = build_trainer(make_run(config, *RULE, *overrides), evaluate=True, **options)
    upcoming = iter(SCORES[progress.epoch :])
    return replace(trainer, evaluate=lambda model: {"AP": next(upcoming)}), progress


def run(config: Path, *overrides: str, **options) -> TrainingPosition:
    return fit(*build(config, *overrides, **options))


def contents(folder: Path) -> dict[str, dict[str, object]]:
    """Everything in the checkpoints best_model and model_final, but for checksums."""
    files = [
        folder / f"{name}{suffix}" for name in ("best_model", "model_final") for suffix in (".pdparams", ".pdstate")
    ]
    return {file.name: {k: v for k, v in read_arrays(file).items() if k != "checksums"} for file in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """The checkpoints of a run in one go."""
    folder = tmp_path_factory.mktemp("whole")
    write_dataset(folder)
    assert run(write_config(folder)).epoch == END
    return contents(folder / "output" / "tiny")


def test_the_training_ends_when_the_scores_stop_rising(tiny, caplog, whole):
    with caplog.at_level("INFO"):
        end = run(tiny)
    folder = tiny.parent / "output" / "tiny"
    assert (end.epoch, end.step, end.best) == (END, 0, 0.35)
    assert end.scores == tuple(rate(*SCORES[:END]))
    assert (
        "early_stop: AP did not rise by more than 0.1 in 1 evaluations (best 0.3500 in epoch 2); stopping in epoch 2; "
        "best_model is kept" in caplog.text
    )
    assert "would more epochs have helped: not known, 2 evaluations" in caplog.text
    assert read_whole(folder / "model_final")["progress"]["epoch"] == END
    assert best_score(folder / "best_model") == 0.35
    np.testing.assert_equal(contents(folder), whole)


def test_a_run_that_has_stopped_stays_so(tiny, caplog, whole):
    """Nothing is trained, however often it is restarted."""
    run(tiny)
    for resume in ("auto", tiny.parent / "output" / "tiny" / "1"):
        caplog.clear()
        with caplog.at_level("INFO"):
            assert run(tiny, resume=resume).epoch == END
        assert "stopping in epoch 2" in caplog.text
        np.testing.assert_equal(contents(tiny.parent / "output" / "tiny"), whole)


def test_more_patience_trains_on(tiny):
    run(tiny)
    end = run(tiny, "early_stop.patience=2", "epoch=4", resume="auto")
    assert (end.epoch, end.best) == (4, 0.95)
    assert end.scores == tuple(rate(*SCORES))


class Killed(BaseException):
    """Stands for SIGKILL: nothing handles it."""


# Each epoch before and after its evaluation and as the best one, and model_final.
CHECKPOINTS = [pytest.param(n, marks=() if n in (2, 4, 6) else pytest.mark.slow) for n in range(END * 3 + 1)]


@pytest.mark.parametrize("fatal", CHECKPOINTS)
def test_killed_at_any_checkpoint(tiny, whole, monkeypatch, fatal):
    """Before one of the checkpoints: the same end, and the same best model."""
    left = iter(range(fatal))

    def dying(path, *parts):
        if next(left, None) is None:
            raise Killed
        save_checkpoint(path, *parts)

    save_checkpoint = loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", dying)
    with pytest.raises(Killed):
        run(tiny)
    monkeypatch.setattr(loop, "save_checkpoint", save_checkpoint)
    end = run(tiny, resume="auto")
    assert (end.epoch, end.scores) == (END, tuple(rate(*SCORES[:END])))
    np.testing.assert_equal(contents(tiny.parent / "output" / "tiny"), whole)


def test_all_checkpoints_are_killed_at(tiny, monkeypatch):
    saved, save_checkpoint = [], loop.save_checkpoint
    monkeypatch.setattr(
        loop, "save_checkpoint", lambda path, *parts: (saved.append(path), save_checkpoint(path, *parts))
    )
    run(tiny)
    assert len(saved) == len(CHECKPOINTS)


def test_out_of_time_again_and_again(tiny, whole):
    """A scheduler restarts the run, which does one step each time."""
    for _ in range(3 * END - 1):  # two steps and an evaluation in each epoch; the last one is the end
        with pytest.raises(OutOfTime) as stop:
            run(tiny, "max_time=0.001", resume="auto")
        assert stop.value.status == 124
    assert run(tiny, "max_time=0.001", resume="auto").epoch == END
    np.testing.assert_equal(contents(tiny.parent / "output" / "tiny"), whole)


def test_a_checkpoint_without_scores(tiny):
    """Of an earlier version: the evaluations since then are counted."""
    run(tiny, "epoch=1")
    file = tiny.parent / "output" / "tiny" / "model_final.pdstate"
    state = paddle.load(str(file), return_numpy=True)
    del state["progress"]["scores"], state["checksums"][".pdstate"]
    paddle.save(state, str(file))
    _, start = build(tiny, resume=file)
    assert (start.scores, start.best) == ((), 0.3)
    end = run(tiny, "early_stop.min_delta=0.6", resume=file)
    assert (end.epoch, end.scores) == (3, tuple(rate(*SCORES)[1:3]))


@pytest.mark.parametrize("short", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_two_ranks_stop_in_the_same_epoch(tmp_path, tiny, short):
    """After the time of one of them was over in the first epoch. The scores of rank 0 decide."""
    options = (tiny, ",".join(map(str, SCORES)), *RULE)
    for found in run_ranks("early_stop", 2, tmp_path / "first", short, *options):
        assert found["status"] == 124
    for found in run_ranks("early_stop", 2, tmp_path / "second", -1, *options):
        assert found["status"] == 0
        assert found["scores"].tolist() == [list(pair) for pair in rate(*SCORES[:END])]
    place = read_whole(tiny.parent / "output" / "tiny" / "interrupted")["progress"]
    assert (place["epoch"], place["updates"]) == (0, 1)


def test_no_scores_to_watch(tiny):
    message = r"^early_stop: found without an evaluation; expected scores to watch; add --eval \(evaluate=True\)$"
    with pytest.raises(UserError, match=message):
        build_trainer(make_run(tiny, *RULE))
