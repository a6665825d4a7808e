"""A run that was stopped and resumed ends with the very same weights."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import Interrupted, UserError
from ppdet.training.callbacks import Callback
from ppdet.training.checkpoint import TrainingPosition, save_checkpoint
from ppdet.training.checkpoint_folder import newest_checkpoint
from ppdet.training.loop import fit
from ppdet.training.setup import TrainerParts, build_trainer
from ppdet.utils.weight_files import read_arrays
from tests.support.tiny import make_run, write_config, write_dataset

STEPS = 2  # per epoch: five images with boxes, batches of two
SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class InterruptAt(Callback):
    """Presses Ctrl-C, or sends another signal, during update number `updates` or the evaluation after it."""

    def __init__(self, updates: int, kind: str = "train", number: int = signal.SIGINT):
        self.when = (kind, updates)
        self.number = number

    def on_record(self, kind, updates, numbers) -> None:
        if (kind, updates) == self.when:
            signal.raise_signal(self.number)


@pytest.fixture(autouse=True)
def _sigterm() -> Iterator[None]:
    """A run that SIGTERM ended leaves the signal ignored."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def train(config: Path, *overrides: str, **options) -> tuple[TrainerParts, TrainingPosition]:
    trainer, progress = build_trainer(make_run(config, *overrides), **options)
    return trainer, fit(trainer, progress, SIGNALS)


def assert_same(a: Path, b: Path) -> None:
    """Bitwise equal weights, averaged weights, optimizer state and progress."""
    for suffix in SUFFIXES:
        first, second = (read_arrays(path.with_name(path.name + suffix)) for path in (a, b))
        first.pop("checksums", None)
        second.pop("checksums", None)
        np.testing.assert_equal(first, second)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model_final of four epochs in one go."""
    folder = tmp_path_factory.mktemp("whole")
    write_dataset(folder)
    trainer, _ = train(write_config(folder), evaluate=True)
    return trainer.output_dir / "model_final"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_ends_an_evaluation(tiny, whole, number):
    """The resumed run does the evaluation."""

    def hanging(model) -> dict[str, float]:
        signal.raise_signal(number)
        while True:
            time.sleep(0.1)

    trainer, progress = build_trainer(make_run(tiny), evaluate=True)
    with pytest.raises(Interrupted) as error:
        fit(replace(trainer, evaluate=hanging), progress, SIGNALS)
    assert error.value.status == 128 + number
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    interrupted = tiny.parent / "output" / "tiny" / "interrupted"
    _, end = train(tiny, "filename=rest", evaluate=True, resume=interrupted)
    assert end.epoch == 4
    assert_same(whole, tiny.parent / "output" / "rest" / "model_final")


@pytest.mark.parametrize("worker_num", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_two_and_two_epochs_equal_four(tiny, whole, worker_num):
    half, rest = (f"filename={name}" for name in ("half", "rest"))
    train(tiny, half, "epoch=2", f"worker_num={worker_num}", evaluate=True)
    resume = tiny.parent / "output" / "half" / "model_final"
    # another seed: the run's own goes on
    _, end = train(tiny, rest, "seed=99", f"worker_num={worker_num}", evaluate=True, resume=resume)
    assert_same(tiny.parent / "output" / "rest" / "model_final", whole)
    assert (end.seed, end.epoch, end.updates) == (7, 4, 4 * STEPS)


def test_interrupted_in_the_middle_of_an_epoch(tiny, whole):
    with pytest.raises(KeyboardInterrupt):
        train(tiny, evaluate=True, callbacks=[InterruptAt(2 * STEPS + 1)])
    folder = tiny.parent / "output" / "tiny"
    assert newest_checkpoint(folder).name == "interrupted"
    trainer, start = build_trainer(make_run(tiny), evaluate=True, resume=folder)
    assert (start.epoch, start.step, start.updates, start.seed) == (2, 1, 2 * STEPS + 1, 7)
    assert start.best is not None  # of the evaluation after two epochs
    fit(trainer, start)
    assert_same(folder / "model_final", whole)


def test_stopping_and_resuming_twice(tiny, whole):
    folder = tiny.parent / "output" / "tiny"
    for updates, resume in [(1, None), (2, folder)]:
        with pytest.raises(KeyboardInterrupt):
            train(tiny, evaluate=True, resume=resume, callbacks=[InterruptAt(updates)])
    train(tiny, evaluate=True, resume=folder)
    assert_same(folder / "model_final", whole)


def test_sigterm_during_the_evaluation(tiny, whole):
    with pytest.raises(Interrupted) as stop:
        train(tiny, evaluate=True, callbacks=[InterruptAt(2 * STEPS, "eval", signal.SIGTERM)])
    assert stop.value.status == 143
    trainer, start = build_trainer(make_run(tiny), evaluate=True, resume="auto")
    assert (start.epoch, start.step) == (2, 0)  # counted as done
    fit(trainer, start)
    assert_same(trainer.output_dir / "model_final", whole)


def test_killed_during_the_evaluation(tiny, whole):
    """What was trained until then is kept, and the resumed run does the evaluation."""
    trainer, progress = build_trainer(make_run(tiny), evaluate=True)

    def dies(model):
        raise MemoryError

    with pytest.raises(MemoryError):
        fit(replace(trainer, evaluate=dies), progress)
    trainer, start = build_trainer(make_run(tiny), evaluate=True, resume="auto")
    assert (start.epoch, start.step, start.best) == (1, STEPS, None)
    fit(trainer, start)
    assert_same(trainer.output_dir / "model_final", whole)
    assert (trainer.output_dir / "metrics.jsonl").read_text().count('"eval"') == 2


def test_a_signal_in_the_last_evaluation_is_too_late(tiny):
    _, end = train(tiny, "epoch=1", evaluate=True, callbacks=[InterruptAt(STEPS, "eval", signal.SIGTERM)])
    assert end.epoch == 1


def test_saved_again_before_a_step(tiny):
    """As after an evaluation that was repeated: nothing is lost."""
    train(tiny, "epoch=1")
    folder = tiny.parent / "output" / "tiny"
    trainer, progress = build_trainer(make_run(tiny), resume=folder / "model_final")
    assert len(read_arrays(folder / "model_final.pdopt")) > 100
    parts = (trainer.model, trainer.optimizer, trainer.ema, progress, trainer.scaler, trainer.categories)
    save_checkpoint(folder / "again", *parts)
    assert_same(folder / "again", folder / "model_final")


def test_auto_without_a_checkpoint_starts_from_the_beginning(tiny, caplog):
    with caplog.at_level("INFO"):
        _, start = build_trainer(make_run(tiny), resume="auto")
    assert (start.epoch, start.step, start.seed) == (0, 0, 7)
    assert sum("starts from the beginning" in record.message for record in caplog.records) == 1


def test_another_batch(tiny):
    """Four images of the epoch's five are done, of which the next step takes one."""
    trainer, progress = build_trainer(make_run(tiny), evaluate=True)
    path = trainer.output_dir / "interrupted"
    progress = replace(progress, epoch=1, step=2, updates=4)
    save_checkpoint(path, trainer.model, trainer.optimizer, trainer.ema, progress)
    _, start = build_trainer(make_run(tiny, "TrainReader.batch_size=1"), resume="auto")
    assert (start.epoch, start.step, start.updates, start.batch) == (1, 4, 9, 1)


@pytest.mark.parametrize(
    ("before", "batch", "steps", "after"),
    [
        (dict(epoch=3, step=10, updates=310, batch=8), 8, 100, (10, 310)),
        (dict(epoch=3, step=10, updates=310, batch=8), 16, 50, (5, 155)),
        (dict(epoch=3, step=11, updates=311, batch=8), 16, 50, (5, 155)),  # half of a step again
        (dict(epoch=3, step=10, updates=310, batch=16), 8, 200, (20, 620)),
        (dict(epoch=3, step=100, updates=400, batch=8), 16, 50, (50, 200)),  # all steps done
        (dict(epoch=3, step=0, updates=300, batch=8), 24, 33, (0, 99)),
        (dict(epoch=3, step=10, updates=310), 16, 50, (10, 310)),  # of an earlier version
    ],
)
def test_place_on_another_number_of_ranks(before, batch, steps, after):
    place = TrainingPosition(seed=7, **before).with_batch(batch, steps)
    assert (place.epoch, place.step, place.updates, place.batch) == (3, *after, batch)


def test_numbered_checkpoints_are_kept_up_to_a_number(tiny):
    folder = tiny.parent / "output" / "tiny"
    train(tiny, "snapshot_epoch=1", "keep_last=2", evaluate=True)
    assert {path.stem for path in folder.glob("*.pd*")} == {"1", "2", "model_final", "best_model"}
    with pytest.raises(UserError, match="keep_last: expected at least 1"):
        make_run(tiny, "keep_last=0")


def test_a_better_best_model_is_known(tiny):
    """Going back to an older checkpoint does not let a worse model replace best_model."""
    folder = tiny.parent / "output" / "tiny"
    trainer, progress = build_trainer(make_run(tiny), evaluate=True)
    for name, best in (("0", 0.1), ("best_model", 0.9)):
        save_checkpoint(
            folder / name,
            trainer.model,
            trainer.optimizer,
            trainer.ema,
            replace(progress, epoch=1, updates=2, best=best),
        )
    _, start = build_trainer(make_run(tiny), evaluate=True, resume=folder / "0")
    assert start.best == 0.9


def test_best_score_is_kept(tiny):
    folder = tiny.parent / "output" / "tiny"
    trainer, progress = build_trainer(make_run(tiny, "epoch=1"), evaluate=True)
    save_checkpoint(
        folder / "good",
        trainer.model,
        trainer.optimizer,
        trainer.ema,
        TrainingPosition(epoch=3, step=0, updates=6, seed=7, best=0.9),
    )
    _, end = train(tiny, evaluate=True, resume=folder / "good.pdparams")
    assert end.best == 0.9
    assert not list(folder.glob("best_model*"))


def test_nothing_to_resume(tiny):
    with pytest.raises(UserError, match="no checkpoint"):
        build_trainer(make_run(tiny), resume=tiny.parent)
    with pytest.raises(UserError, match=r"missing\.pdstate"):
        build_trainer(make_run(tiny), resume=tiny.parent / "missing")
