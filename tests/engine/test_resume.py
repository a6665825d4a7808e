"""A run that was stopped and resumed ends with the very same weights, and broken checkpoints are found out."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.engine import checkpoint
from ppdet.engine.checkpoint import Progress, load_checkpoint, newest_checkpoint, save_checkpoint
from ppdet.engine.train import fit
from ppdet.engine.trainer import Trainer, build_trainer
from ppdet.engine.weights import read_arrays
from tests.engine.tiny import make_run

STEPS = 2  # per epoch: five images with boxes, batches of two
SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")


class InterruptAt:
    """Presses Ctrl-C during update number `updates`."""

    def __init__(self, updates: int):
        self.updates = updates

    def on_record(self, kind, updates, numbers) -> None:
        if kind == "train" and updates == self.updates:
            os.kill(os.getpid(), signal.SIGINT)


def train(config: Path, *overrides: str, **options) -> tuple[Trainer, Progress]:
    trainer, progress = build_trainer(make_run(config, *overrides), **options)
    return trainer, fit(trainer, progress)


def assert_same(a: Path, b: Path) -> None:
    """Bitwise equal weights, averaged weights, optimizer state and progress."""
    for suffix in SUFFIXES:
        first, second = (read_arrays(path.with_name(path.name + suffix)) for path in (a, b))
        first.pop("checksums", None)
        second.pop("checksums", None)
        np.testing.assert_equal(first, second)


@pytest.fixture
def whole(tiny: Path) -> Path:
    """model_final of four epochs in one go."""
    train(tiny, "filename=whole", evaluate=True)
    return tiny.parent / "output" / "whole" / "model_final"


@pytest.mark.parametrize("worker_num", [0, 2])
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


def test_best_score_is_kept(tiny):
    folder = tiny.parent / "output" / "tiny"
    trainer, progress = build_trainer(make_run(tiny, "epoch=1"), evaluate=True)
    save_checkpoint(folder / "good", trainer.model, trainer.optimizer, trainer.ema,
                    Progress(epoch=3, step=0, updates=6, seed=7, best=0.9))  # fmt: skip
    _, end = train(tiny, evaluate=True, resume=folder / "good.pdparams")
    assert end.best == 0.9
    assert not list(folder.glob("best_model*"))


@pytest.fixture
def saved(tiny: Path) -> Path:
    """A checkpoint before the first epoch, for tests that need no training."""
    trainer, progress = build_trainer(make_run(tiny))
    path = tiny.parent / "output" / "tiny" / "best_model"
    save_checkpoint(path, trainer.model, trainer.optimizer, trainer.ema, progress)
    return path


@pytest.mark.parametrize(("override", "fault"), [("use_ema=false", "use_ema: is False here"),
                                                 ("LCNet.scale=0.5", "a checkpoint of another model")])  # fmt: skip
def test_another_config(tiny, saved, override, fault):
    with pytest.raises(UserError, match=fault):
        build_trainer(make_run(tiny, override), resume=saved)


def test_another_optimizer(tiny, saved):
    trainer, _ = build_trainer(make_run(tiny))
    optimizer = paddle.optimizer.SGD(parameters=trainer.model.parameters())
    with pytest.raises(UserError, match=r"optimizer\.type: is SGD here, but .* was saved with Momentum"):
        load_checkpoint(saved, trainer.model, optimizer, trainer.ema)


def test_checkpoint_without_ema_where_ema_is_on(tiny):
    trainer, progress = build_trainer(make_run(tiny, "use_ema=false"))
    save_checkpoint(tiny.parent / "raw", trainer.model, trainer.optimizer, trainer.ema, progress)
    assert not (tiny.parent / "raw.pdema").exists()
    with pytest.raises(UserError, match="use_ema: is True here"):
        build_trainer(make_run(tiny), resume=tiny.parent / "raw")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("spoil", ["cut", "gone", "of another time"])
def test_broken_files_are_named(tiny, saved, suffix, spoil):
    file = saved.with_name(saved.name + suffix)
    content = file.read_bytes()
    file.unlink()
    if spoil == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif spoil == "of another time":
        paddle.save(paddle.load(str(saved.with_name(saved.name + SUFFIXES[SUFFIXES.index(suffix) - 1]))), str(file))
    with pytest.raises(UserError, match=f"best_model{suffix}: "):
        build_trainer(make_run(tiny), resume=saved)


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_full_disk_keeps_the_older_checkpoint(tiny, saved, monkeypatch, failing):
    before = {suffix: saved.with_name(saved.name + suffix).read_bytes() for suffix in SUFFIXES}
    trainer, progress = build_trainer(make_run(tiny), resume=saved)
    for parameter in trainer.model.parameters():
        parameter.set_value(parameter + 1)
    calls, save = [], paddle.save

    def save_until_full(content, path):
        calls.append(path)
        save(content, path)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint.paddle, "save", save_until_full)
    with pytest.raises(UserError, match="best_model.*No space left"):
        save_checkpoint(saved, trainer.model, trainer.optimizer, trainer.ema, progress)
    assert {path.name: path.read_bytes() for path in saved.parent.iterdir() if path.suffix in SUFFIXES} == {
        saved.name + suffix: content for suffix, content in before.items()
    }
    build_trainer(make_run(tiny), resume=saved)


def test_cut_off_between_two_renames(tiny, saved, monkeypatch):
    """A power cut cannot be caught, only noticed: half of the files are new."""
    trainer, progress = build_trainer(make_run(tiny), resume=saved)
    for parameter in trainer.model.parameters():
        parameter.set_value(parameter + 1)
    state = saved.with_name("best_model.pdstate").read_bytes()
    save_checkpoint(saved, trainer.model, trainer.optimizer, trainer.ema, progress)
    saved.with_name("best_model.pdstate").write_bytes(state)
    with pytest.raises(UserError, match=r"best_model\.\w+: damaged, or not written together with .*pdstate"):
        build_trainer(make_run(tiny), resume=saved)


def test_leftovers_of_a_killed_process_are_no_checkpoint(tiny, saved):
    saved.with_name(".best_model.pdstate.0123.tmp.pdstate").write_bytes(b"half")
    assert newest_checkpoint(saved.parent) == saved


def test_nothing_to_resume(tiny):
    with pytest.raises(UserError, match="no checkpoint"):
        build_trainer(make_run(tiny), resume=tiny.parent)
    with pytest.raises(UserError, match=r"missing\.pdstate"):
        build_trainer(make_run(tiny), resume=tiny.parent / "missing")
