"""What a run finds in its output folder, and what becomes of it."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.training.checkpoint import TrainingPosition, save_checkpoint
from ppdet.training.checkpoint_folder import newest_checkpoint
from ppdet.training.loop import fit
from ppdet.training.run_folder import begin_run
from ppdet.training.setup import TrainerParts, build_trainer
from tests.support.tiny import make_run

START = TrainingPosition(epoch=0, step=0, updates=0, seed=7)
SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")


@pytest.fixture
def trainer(tiny: Path) -> TrainerParts:
    trainer = build_trainer(make_run(tiny))[0]
    trainer.output_dir.mkdir(parents=True)
    return trainer


def save(trainer: TrainerParts, name: str, **place: int) -> Path:
    path = trainer.output_dir / name
    save_checkpoint(path, trainer.model, trainer.optimizer, trainer.ema, replace(START, **place))
    return path


def names(folder: Path) -> set[str]:
    return {file.stem for file in folder.glob("*.pdstate")}


def record(epoch: int, step: int) -> str:
    """Of a training step; step 0: of the evaluation at the end of the epoch."""
    return json.dumps({"kind": "train", "epoch": epoch, "step": step} if step else {"kind": "eval", "epoch": epoch})


# ---- the newest ----


def test_the_place_in_training_decides_not_the_time(trainer):
    """As after `cp -r` or `tar -m`, in any order of copying."""
    places = {
        "0": (1, 0, 2),
        "1": (2, 0, 4),
        "best_model": (2, 0, 4),
        "9": (10, 0, 20),
        "10": (11, 0, 22),
        "interrupted": (11, 1, 23),
    }
    for name, (epoch, step, updates) in places.items():
        save(trainer, name, epoch=epoch, step=step, updates=updates, batch=2)
    rng = random.Random(0)
    for _ in range(5):
        for file in trainer.output_dir.glob("*.pd*"):
            os.utime(file, (rng.random() * 1e9, 1e9 * rng.random()))
        assert newest_checkpoint(trainer.output_dir).name == "interrupted"
    (trainer.output_dir / "interrupted.pdema").unlink()
    assert newest_checkpoint(trainer.output_dir).name == "10"
    (trainer.output_dir / "10.pdparams").unlink()
    assert newest_checkpoint(trainer.output_dir).name == "9"


def test_an_epoch_that_was_evaluated_is_further(trainer):
    save(trainer, "0", epoch=0, step=2, updates=2)
    save(trainer, "best_model", epoch=1, step=0, updates=2)
    for suffix in SUFFIXES:
        os.utime(trainer.output_dir / f"best_model{suffix}", (1, 1))
    assert newest_checkpoint(trainer.output_dir).name == "best_model"


def test_another_number_of_images_per_step(trainer):
    """The run went on with batches twice as large, so that it counts half as many updates."""
    save(trainer, "3", epoch=4, step=0, updates=400, batch=2)
    save(trainer, "4", epoch=5, step=0, updates=250, batch=4)
    save(trainer, "interrupted", epoch=5, step=10, updates=260, batch=4)
    assert newest_checkpoint(trainer.output_dir).name == "interrupted"


# ---- an earlier run ----


def test_a_new_run_moves_an_earlier_one_aside(trainer, caplog):
    folder = trainer.output_dir
    for name in ("0", "best_model"):
        save(trainer, name, epoch=1, updates=2)
    (folder / "metrics.jsonl").write_text("old\n")
    (folder / "mine.pdparams").write_text("the user's")
    (folder / "config.yml").write_text("old: 1")
    (folder / "train_batch0.jpg").write_text("old")
    (folder / "results.csv").write_text("old")
    (folder / "loggers.json").write_text("{}")
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "mine.pdparams"}
    for name in ("tensorboard", "visualdl", "mine"):
        (folder / name).mkdir()
    begin_run(folder, Config({}))
    aside = folder / "earlier-1"
    assert {file.name for file in folder.iterdir()} == {"earlier-1", "mine", "mine.pdparams", "config.yml"}
    assert (folder / "config.yml").read_text() == "{}\n"
    assert {file.name: file.read_bytes() for file in aside.iterdir() if file.is_file()} == before
    assert {file.name for file in aside.iterdir() if file.is_dir()} == {"tensorboard", "visualdl"}
    assert f"{folder}: the files of an earlier run there are now in {aside}" in caplog.text
    begin_run(folder, Config({}))
    assert not (folder / "earlier-2").exists()
    save(trainer, "0")
    begin_run(
        folder, Config({}), trainer.output_dir.parent / "elsewhere" / "0", START
    )  # continues a run of another folder
    assert names(folder / "earlier-2") == {"0"}


def test_what_lies_beyond_the_place_that_is_gone_back_to(trainer):
    """Else the next `-r auto` would go on from there."""
    folder = trainer.output_dir
    for number in range(4):
        save(trainer, str(number), epoch=number + 1, updates=2 * number + 2, batch=2)
    save(trainer, "best_model", epoch=3, updates=6, batch=2)
    (folder / "metrics.jsonl").write_text("".join(record(epoch, 1) + "\n" for epoch in (1, 2, 3, 4)))
    begin_run(folder, Config({}), folder / "1", replace(START, epoch=2, updates=4))
    assert names(folder) == {"0", "1"}
    assert names(folder / "earlier-1") == {"2", "3", "best_model"}
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    assert len((folder / "earlier-1" / "metrics.jsonl").read_text().splitlines()) == 4


def test_ids_of_a_run_that_logged_nothing_are_not_taken_over(trainer):
    (trainer.output_dir / "loggers.json").write_text('{"wandb": "old"}')
    begin_run(trainer.output_dir, Config({}))
    assert not (trainer.output_dir / "loggers.json").exists()


# ---- metrics.jsonl ----

LOG = [record(1, 1), record(1, 2), record(1, 0), record(2, 1), record(2, 2), record(2, 0), record(3, 1)]


@pytest.mark.parametrize(
    ("place", "kept"),
    [((0, 1), 1), ((0, 2), 2), ((1, 0), 3), ((1, 1), 4), ((1, 2), 5), ((2, 0), 6), ((2, 1), 7), ((5, 0), 7)],
)
@pytest.mark.parametrize("end", ["", "\n", '\n{"kind": "tr', "\n\n\0\0"])
def test_each_step_is_logged_once(trainer, place, kept, end):
    """A place with all steps done has its evaluation still to come."""
    metrics = trainer.output_dir / "metrics.jsonl"
    metrics.write_text("\n".join(LOG) + end)
    saved = replace(START, epoch=place[0], step=place[1])
    begin_run(trainer.output_dir, Config({}), save(trainer, "0"), saved)
    assert metrics.read_text() == "".join(line + "\n" for line in LOG[:kept])


def test_a_log_with_two_numbers_of_images_per_step(trainer):
    """Steps 8 to 10 of 100 were followed by 6 to 8 of 50; the run goes back to 7 of those."""
    metrics = trainer.output_dir / "metrics.jsonl"
    lines = [record(4, step) for step in (8, 9, 10, 6, 7, 8)]
    metrics.write_text("\n".join(lines) + "\n")
    begin_run(trainer.output_dir, Config({}), save(trainer, "0"), replace(START, epoch=3, step=7))
    assert metrics.read_text().splitlines() == lines[:5]


def test_a_run_that_is_killed_and_resumed(tiny):
    def dies(model):
        raise MemoryError

    trainer, progress = build_trainer(make_run(tiny, "snapshot_epoch=1"), evaluate=True)
    with pytest.raises(MemoryError):
        fit(replace(trainer, evaluate=dies), progress)
    fit(*build_trainer(make_run(tiny, "snapshot_epoch=1"), evaluate=True, resume="auto"))
    metrics = trainer.output_dir / "metrics.jsonl"
    records = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [r["updates"] for r in records if r["kind"] == "train"] == list(range(1, 9))
    assert [r["epoch"] for r in records if r["kind"] == "eval"] == [1, 2, 3, 4]
    fit(*build_trainer(make_run(tiny, "epoch=1")))
    assert len(metrics.read_text().splitlines()) == 2
    assert len((trainer.output_dir / "earlier-1" / "metrics.jsonl").read_text().splitlines()) == 12


def test_a_folder_that_cannot_be_written(trainer, monkeypatch):
    save(trainer, "0")
    monkeypatch.setattr(Path, "rename", lambda *args: os.stat("/none"))
    with pytest.raises(UserError, match=r"tiny: cannot be written \(No such file"):
        begin_run(trainer.output_dir, Config({}))


def test_going_back_forgets_a_better_model_of_what_is_done_again(tiny, trainer):
    for name, best in (("0", 0.1), ("best_model", 0.9)):
        place = replace(START, epoch=1 if name == "0" else 3, updates=2, best=best)
        save_checkpoint(trainer.output_dir / name, trainer.model, trainer.optimizer, trainer.ema, place)
    _, start = build_trainer(make_run(tiny), evaluate=True, resume=trainer.output_dir / "0")
    assert start.best == 0.1
