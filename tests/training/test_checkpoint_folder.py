"""Finding the newest checkpoint that is whole."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.training.checkpoint import save_checkpoint
from ppdet.training.checkpoint_folder import best_score, find_checkpoint, newest_checkpoint, remove_older
from ppdet.training.setup import build_trainer
from tests.support.tiny import make_run

SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")


@pytest.fixture
def folder(tiny: Path) -> Path:
    """Checkpoints 0, 1 and 2, and a broken file of a killed process."""
    trainer, progress = build_trainer(make_run(tiny))
    for number in range(3):
        path = trainer.output_dir / str(number)
        save_checkpoint(path, trainer.model, trainer.optimizer, trainer.ema, progress)
        for suffix in SUFFIXES:  # file systems may tell no two of them apart
            os.utime(trainer.output_dir / f"{number}{suffix}", (number, number))
    (trainer.output_dir / ".3.0123.tmp.pdstate").write_bytes(b"half")
    return trainer.output_dir


def cut(file: Path) -> None:
    time = file.stat().st_mtime
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    os.utime(file, (time, time))


def flip(file: Path) -> None:
    """One bit of the averaged weights in the middle of the file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    os.utime(file, (2, 2))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("spoil", [cut, flip, Path.unlink])
def test_a_broken_one_is_passed_over(folder, suffix, spoil, caplog):
    assert newest_checkpoint(folder) == folder / "2"
    spoil(folder / f"2{suffix}")
    caplog.clear()
    assert newest_checkpoint(folder) == folder / "1"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.records[0].message.startswith(f"{folder}/2: passed over")


def test_all_broken(folder):
    for number, suffix in enumerate(SUFFIXES[:3]):
        cut(folder / f"{number}{suffix}")
    for wanted in ("auto", folder):
        with pytest.raises(UserError, match="none of its 3 checkpoints is whole"):
            find_checkpoint(wanted, folder)


def test_what_r_means(folder, tmp_path):
    assert find_checkpoint("auto", folder) == folder / "2"
    assert find_checkpoint(folder, tmp_path) == folder / "2"
    assert find_checkpoint(folder / "1", tmp_path) == find_checkpoint(folder / "1.pdema", tmp_path) == folder / "1"
    assert find_checkpoint("auto", tmp_path / "new") is None


def test_a_checkpoint_of_an_earlier_version(folder):
    """Without a checksum of .pdstate and `batch`."""
    state = paddle.load(str(folder / "2.pdstate"), return_numpy=True)
    del state["checksums"][".pdstate"], state["progress"]["batch"]
    paddle.save(state, str(folder / "2.pdstate"))
    assert newest_checkpoint(folder) == folder / "2"


def test_scores_are_read_where_they_can_be(folder):
    assert best_score(folder / "2") is None
    cut(folder / "2.pdstate")
    assert best_score(folder / "2") is best_score(folder / "none") is None


def test_unfinished_files_are_deleted(tiny, folder):
    before = set(folder.iterdir())
    build_trainer(make_run(tiny), resume=folder)
    assert set(folder.iterdir()) == before  # another process may be at work there
    build_trainer(make_run(tiny), resume="auto")
    assert set(folder.iterdir()) == before - {folder / ".3.0123.tmp.pdstate"}


def test_older_ones_are_deleted(folder):
    (folder / "best_model.pdstate").write_bytes(b"")
    (folder / "7.pdstate").write_bytes(b"")  # of an earlier run, and not older
    remove_older(folder, keep=1, newest=1)
    assert {path.stem for path in folder.glob("[!.]*.pdstate")} == {"1", "2", "7", "best_model"}
    assert not (folder / "0.pdparams").exists()


ODD = {
    "no progress": lambda state: state.pop("progress"),
    "progress of a number": lambda state: state.update(progress=3),
    "a missing place": lambda state: state["progress"].pop("epoch"),
    "a negative epoch": lambda state: state["progress"].update(epoch=-1),
    "an epoch of text": lambda state: state["progress"].update(epoch="1"),
    "a broken seed": lambda state: state["progress"].update(seed=None),
    "a best score of text": lambda state: state["progress"].update(best="0.5"),
    "scores of text": lambda state: state["progress"].update(scores=((1, "0.5"),)),
    "scores without epochs": lambda state: state["progress"].update(scores=(0.5,)),
    "a number for scores": lambda state: state["progress"].update(scores=3),
    "a key of a later version": lambda state: state["progress"].update(later=1),
    "no checksums": lambda state: state.pop("checksums"),
    "a checksum of another file": lambda state: state["checksums"].update({"/../../x": 1}),
    "no optimizer": lambda state: state.pop("optimizer"),
    "half an average": lambda state: state["ema"].pop("step"),
    "an average of text": lambda state: state["ema"]["state"].update(a="b"),
    "a scale of text": lambda state: state.update(scaler="x"),
    "keys that are no text": lambda state: state.update({1: 2}),
}


@pytest.mark.parametrize("kind", ODD)
def test_states_with_odd_content(folder, tiny, kind):
    file = folder / "2.pdstate"
    state = paddle.load(str(file), return_numpy=True)
    ODD[kind](state)
    file.write_bytes(pickle.dumps(state))
    with pytest.raises(UserError, match=rf"^{file}: (not the state of a checkpoint|refused: it has a key)") as caught:
        build_trainer(make_run(tiny), resume=folder / "2")
    assert str(caught.value).isprintable()
    assert newest_checkpoint(folder) == folder / "1"
