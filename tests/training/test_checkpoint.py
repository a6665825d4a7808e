"""One checkpoint: what does not fit or is broken is refused, and what cannot be written leaves the older one."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.training import checkpoint
from ppdet.training.checkpoint import load_checkpoint, save_checkpoint
from ppdet.training.setup import build_trainer
from tests.support.tiny import make_run

SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")


@pytest.fixture
def saved(tiny: Path) -> Path:
    """A checkpoint before the first epoch, for tests that need no training."""
    trainer, progress = build_trainer(make_run(tiny))
    path = tiny.parent / "output" / "tiny" / "best_model"
    save_checkpoint(path, trainer.model, trainer.optimizer, trainer.ema, progress)
    return path


@pytest.mark.parametrize(
    ("override", "fault"),
    [("use_ema=false", "use_ema: is False here"), ("LCNet.scale=0.5", "a checkpoint of another model")],
)
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


def test_no_room_in_a_real_file_system(tiny, saved):
    before = {path: path.read_bytes() for path in saved.parent.glob("best_model.*")}
    trainer, progress = build_trainer(make_run(tiny), resume=saved)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # bytes per file; the weights are 2.9 MB
    try:
        with pytest.raises(UserError, match=r"best_model\.pdparams: cannot be written \(File too large\)"):
            save_checkpoint(saved, trainer.model, trainer.optimizer, trainer.ema, progress)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in saved.parent.glob("*best_model*")} == before


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


def test_loss_scale_is_kept(tiny, saved):
    class Scaler:
        """Paddle's does nothing on the CPU."""

        state = {"scale": np.float32([512]), "incr_count": 3}

        def is_enable(self):
            return True

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.loaded = state

    trainer, progress = build_trainer(make_run(tiny))
    parts = (trainer.model, trainer.optimizer, trainer.ema)
    save_checkpoint(saved, *parts, progress, Scaler())
    scaler = Scaler()
    load_checkpoint(saved, *parts, scaler)
    np.testing.assert_equal(scaler.loaded, Scaler.state)
