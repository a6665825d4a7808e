"""The checkpoints of a folder: whether they are whole, and which is furthest. Their layout: checkpoint.py."""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Mapping
from contextlib import suppress
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ppdet.core.errors import UserError
from ppdet.deploy.files import unfinished_files
from ppdet.utils.files import checksum, with_suffix
from ppdet.utils.weight_files import read_arrays

logger = logging.getLogger(__name__)

Resume = Path | Literal["auto"]  # the value of `-r`

_SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")
_COUNTS = {"epoch", "step", "updates", "seed"}  # of `progress`


def peek_seed(path: Path) -> int:
    """The seed of the run that wrote the checkpoint `path`."""
    seed: int = _read_state(path)["progress"]["seed"]
    return seed


def peek_batch(path: Path) -> int:
    """The images per update, over all ranks, of the run that wrote the checkpoint `path`; 0 if it does not say."""
    batch: int = _read_state(path)["progress"].get("batch", 0)
    return batch


def best_score(path: Path) -> float | None:
    """The best score in the checkpoint `path`; None if there is none or it cannot be read."""
    try:
        best: float | None = _read_state(path)["progress"]["best"]
    except UserError:
        return None
    return best


def find_checkpoint(wanted: Resume, output_dir: Path) -> Path | None:
    """Checkpoint that `-r` means, without extension: a file's checkpoint, or the newest whole one of a folder.

    "auto" means the output folder, and None where that has no checkpoint.
    """
    if wanted == "auto":
        found = newest_checkpoint(output_dir)
        if not found:
            logger.info("%s: no checkpoint there, the training starts from the beginning", output_dir)
        return found
    if not wanted.is_dir():
        return wanted.with_suffix("") if wanted.suffix in _SUFFIXES else wanted
    found = newest_checkpoint(wanted)
    if not found:
        raise UserError(f"{wanted}: there is no checkpoint (*.pdstate) to resume from")
    return found


def newest_checkpoint(folder: Path) -> Path | None:
    """The whole checkpoint of an output folder (without extension) that is furthest in its training, None without one.

    The place in training decides, because copies lose the files' times; at the same place, the one written last.
    Broken ones are skipped with a warning. Raises UserError if all are broken.
    """
    # a name that begins with a dot: the unfinished file of a process that was killed
    found = {file.with_suffix("") for suffix in (".pdopt", ".pdstate") for file in folder.glob(f"[!.]*{suffix}")}
    best: tuple[tuple[int, ...], str, Path] | None = None
    fault: UserError | None = None
    for path in sorted(found, key=_latest_epoch, reverse=True):
        if best and _latest_epoch(path) < best[0][0]:
            break  # the rest need not be read: their numbers say that they are further behind
        try:
            candidate = _place(path, read_whole(path)), path.name, path
        except UserError as error:
            fault = error
            logger.warning("%s: passed over; another one is tried (%s)", path, error)
        else:
            best = max(best or candidate, candidate)
    if found and not best:
        raise UserError(
            f"{folder}: none of its {len(found)} checkpoints is whole ({fault}); restore one, or start over with "
            "another -o filename=…"
        )
    return best and best[2]


def checkpoints_beyond(folder: Path, start: Path | None) -> set[str]:
    """The names of the checkpoints of `folder` that are further than `start`; all of them if that is None.

    Broken ones are left out, unless all are wanted.
    """
    names = {file.stem for file in folder.glob("[!.]*.pdstate")}
    if not start:
        return names
    place, beyond = _place(start, _read_state(start)), set()
    for name in names - {start.name}:
        if _latest_epoch(folder / name) >= place[0]:  # else the number says that it is not
            with suppress(UserError):
                if _place(folder / name, _read_state(folder / name))[:-1] > place[:-1]:
                    beyond.add(name)
    return beyond


def _latest_epoch(path: Path) -> float:
    """The epoch where a checkpoint of this name goes on, or an earlier one."""
    return int(path.name) + 1 if path.name.isdecimal() else math.inf


def _place(path: Path, state: Mapping[str, Any]) -> tuple[int, ...]:
    """Sort key of checkpoints. It counts images, since a run may go on with another number of images per step."""
    progress = state["progress"]
    images = progress["step"] * max(progress.get("batch", 0), 1)
    return progress["epoch"], images, progress["updates"], with_suffix(path, ".pdstate").stat().st_mtime_ns


def remove_older(folder: Path, keep: int, newest: int) -> None:
    """Delete the numbered checkpoints of `folder` up to number `newest`, except the last `keep` of them."""
    numbers = sorted(int(p.stem) for p in folder.glob("*.pdstate") if p.stem.isdecimal() and int(p.stem) <= newest)
    for number in numbers[:-keep]:
        for suffix in reversed(_SUFFIXES):  # .pdstate first: what is left of a deletion cut short is no checkpoint
            (folder / f"{number}{suffix}").unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Delete what processes that were killed while they wrote one of the run's files left in `folder`."""
    for file in unfinished_files(folder):
        file.unlink(missing_ok=True)


def _read_state(path: Path) -> dict[str, Any]:
    file = with_suffix(path, ".pdstate")
    if not file.is_file():
        raise UserError(f"{file}: there is no such checkpoint; to start from weights alone use -o pretrain_weights=…")
    state = read_arrays(file)
    if fault := _fault(state):
        raise UserError(f"{file}: not the state of a checkpoint ({fault}); resume from another one")
    return state


def _fault(state: Mapping[str, Any]) -> str | None:
    """Fault in the content of `.pdstate`, in words; None if it has none."""
    progress = state.get("progress")
    if not isinstance(progress, dict):
        return "it says no progress"
    if unknown := progress.keys() - _COUNTS - {"batch", "best", "scores"}:
        return f"of another version: it has {min(unknown)!r}"
    for name in (*_COUNTS, "batch"):
        count = progress.get(name, 0 if name == "batch" else None)
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 0:
            return f"{name} is no count"
    if not isinstance(progress.get("best"), (Real, type(None))):
        return "best is no score"
    if not _are_scores(progress.get("scores", ())):
        return "scores are no list of epochs and scores"
    checksums = state.get("checksums")
    if not isinstance(checksums, dict) or not all(isinstance(each, Integral) for each in checksums.values()):
        return "it has no checksums"
    if not checksums.keys() <= set(_SUFFIXES):
        return "it has checksums of unknown files"
    ema = state.get("ema", {"step": 0, "state": {}})
    if not isinstance(ema, dict) or ema.keys() != {"step", "state"} or not isinstance(ema["state"], dict):
        return "its average is not whole"
    if not isinstance(ema["step"], Integral) or not all(isinstance(each, np.ndarray) for each in ema["state"].values()):
        return "its average is not whole"
    if not isinstance(state.get("scaler", {}), dict):
        return "its loss scale is not whole"
    if "distillation" in state and not _is_distillation(state["distillation"]):
        return "what it says of the teacher is not whole"
    return None if isinstance(state.get("optimizer"), str) else "it names no optimizer"


def _is_distillation(found: Any) -> bool:
    """Returns whether `found` is a state of a distillation."""
    if not isinstance(found, dict) or found.keys() != {"teacher", "sha256", "projector"}:
        return False
    arrays = found["projector"]
    texts = isinstance(found["teacher"], str) and isinstance(found["sha256"], str)
    return texts and isinstance(arrays, dict) and all(isinstance(each, np.ndarray) for each in arrays.values())


def _are_scores(scores: Any) -> bool:
    """Whether `scores` is a tuple of pairs (epochs, score)."""
    pairs = scores if isinstance(scores, tuple) else [None]
    return all(
        isinstance(pair, tuple) and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) is float for pair in pairs
    )


def read_whole(path: Path) -> dict[str, Any]:
    """The content of `.pdstate`. Raises UserError unless every file of the checkpoint is as it was written."""
    state = _read_state(path)
    expected = state["checksums"]
    # an earlier version wrote none for .pdstate
    if ".pdstate" in expected and expected[".pdstate"] != state_checksum(state):
        raise UserError(f"{path}.pdstate: damaged; resume from another checkpoint")
    for suffix in expected.keys() - {".pdstate"}:
        file = with_suffix(path, suffix)
        if not file.is_file():
            raise UserError(f"{file}: is missing; resume from another checkpoint")
        if checksum(file) != expected[suffix]:
            raise UserError(f"{file}: damaged, or not written together with {path}.pdstate; resume from another one")
    return state


def state_checksum(state: Mapping[str, Any]) -> int:
    """Checksum of the contents of `.pdstate`, without its own checksum and the loss scale."""
    others = {suffix: number for suffix, number in state["checksums"].items() if suffix != ".pdstate"}
    ema = state.get("ema", {"step": 0, "state": {}})
    classes = [state["classes"]] if "classes" in state else []  # an earlier version wrote none
    taught = state.get("distillation", {"sha256": "", "projector": {}})
    teacher = [taught["sha256"]] if "distillation" in state else []
    facts = (state["progress"], state["optimizer"], others, ema["step"], *classes, *teacher)
    total = zlib.crc32(repr(facts).encode())
    for value in (*ema["state"].values(), *taught["projector"].values()):
        total = zlib.crc32(np.ascontiguousarray(value).data, total)
    return total
