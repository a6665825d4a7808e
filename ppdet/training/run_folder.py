"""Keeps an output folder for one run: other runs are locked out, and files of earlier runs are moved aside."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.data.loading.batch_sheet import SHEETS
from ppdet.deploy.files import atomic_write
from ppdet.runtime import distributed
from ppdet.training.callbacks.page import BOXES, PAGE
from ppdet.training.callbacks.results import PLOT, TABLE
from ppdet.training.callbacks.run_files import IDS
from ppdet.training.callbacks.tensorboard import FOLDER as TENSORBOARD
from ppdet.training.callbacks.visualdl import FOLDER as VISUALDL
from ppdet.training.checkpoint import TrainingPosition
from ppdet.training.checkpoint_folder import checkpoints_beyond
from ppdet.training.epoch_table import METRICS
from ppdet.utils.folder_lock import folder_lock

logger = logging.getLogger(__name__)

_CONFIG = "config.yml"
_OF_A_RUN = (METRICS, _CONFIG, *SHEETS, TABLE, PLOT, PAGE, BOXES, IDS)
_FOLDERS_OF_A_RUN = (TENSORBOARD, VISUALDL)


@contextmanager
def only_training(output_dir: Path) -> Iterator[None]:
    """Context in which no other training can write to `output_dir`. All ranks enter it before `build_trainer`.

    Raises:
        UserError: another run writes there; raised on all ranks.
    """
    with ExitStack() as stack:
        error = None
        if distributed.rank() == 0:
            try:
                stack.enter_context(folder_lock(output_dir, "give another -o filename=…"))
            except UserError as e:
                error = e
        distributed.raise_on_all_ranks(error)
        yield


def begin_run(
    output_dir: Path, cfg: Config, checkpoint: Path | None = None, saved: TrainingPosition | None = None
) -> None:
    """Prepare `output_dir` for a run. A collective.

    Checkpoints of an earlier run, and those beyond the position where this run continues, could be mistaken for
    checkpoints of this run. They are moved to `earlier-1` or the next free number. The log of a continued run is cut at
    that position.

    Args:
        output_dir: the folder.
        cfg: the config, which is saved there.
        checkpoint: the checkpoint that the run continues from; None: a new run.
        saved: the position of that checkpoint.
    """
    error = None
    if distributed.rank() == 0:
        try:
            _move_foreign_files(output_dir, checkpoint, saved)
            with atomic_write(output_dir / _CONFIG) as file:
                yaml.safe_dump(cfg.to_dict(), file, sort_keys=True)
        except UserError as e:
            error = e
        except OSError as e:
            error = UserError(f"{output_dir}: cannot be written ({e.strerror}); check the folder")
    distributed.raise_on_all_ranks(error)


def _move_foreign_files(output_dir: Path, checkpoint: Path | None, saved: TrainingPosition | None) -> None:
    continued = checkpoint is not None and checkpoint.parent.resolve() == output_dir.resolve()
    stems = checkpoints_beyond(output_dir, checkpoint if continued else None)
    metrics = output_dir / METRICS
    logged = metrics.is_file() and metrics.stat().st_size > 0
    if stems or (logged and not continued):
        target = _move_aside(output_dir, stems, with_log=not continued)
        if continued and logged:
            shutil.copy2(metrics, target / METRICS)
        logger.warning("%s: the files of an earlier run there are now in %s; -r continues a run", output_dir, target)
    if not continued:
        (output_dir / IDS).unlink(missing_ok=True)  # of a run that ended before its first log line
    if continued and logged and saved:
        _cut_log(metrics, saved)


def _move_aside(folder: Path, stems: set[str], with_log: bool) -> Path:
    """Move the checkpoints `stems`, and log, config and pictures if asked for, to a new folder, which is returned."""
    number = 1
    while (target := folder / f"earlier-{number}").exists():
        number += 1
    target.mkdir()
    for file in sorted(folder.iterdir()):
        is_ours = any(file.name.startswith(f"{stem}.") for stem in stems) or (with_log and file.name in _OF_A_RUN)
        if (is_ours and file.is_file()) or (with_log and file.name in _FOLDERS_OF_A_RUN):
            file.rename(target / file.name)
    return target


def _cut_log(metrics: Path, saved: TrainingPosition) -> None:
    """Remove the records of steps that the run will repeat, and a last line that was cut short."""
    lines = metrics.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = len(lines)
    while kept and not _is_done(lines[kept - 1], saved):
        kept -= 1
    with atomic_write(metrics) as file:
        file.writelines(line + "\n" for line in lines[:kept])


def _is_done(line: str, saved: TrainingPosition) -> bool:
    """Whether a record was written before the position `saved`; the evaluation of an epoch follows its last step."""
    try:
        record = json.loads(line)
        epoch, step = int(record["epoch"]) - 1, int(record.get("step", 0))
        return epoch < saved.epoch or (record["kind"] == "train" and (epoch, step) <= (saved.epoch, saved.step))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
