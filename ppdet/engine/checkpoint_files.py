"""The checkpoints of a folder: whether they are whole, and which is the newest. Their layout: engine/checkpoint.py."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ppdet.core.errors import UserError
from ppdet.engine.weights import read_arrays

logger = logging.getLogger(__name__)

_SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")


def peek_seed(path: Path) -> int:
    """The seed of the run that wrote the checkpoint `path`."""
    return _read_state(path)["progress"]["seed"]


def best_score(path: Path) -> float | None:
    """The score of the checkpoint `path`, None where there is none to read."""
    try:
        return _read_state(path)["progress"]["best"]
    except UserError:
        return None


def find_checkpoint(wanted: Path | Literal["auto"], output_dir: Path) -> Path | None:
    """What `-r` means, without extension: a file's checkpoint, or the newest whole one of a folder.

    "auto" means the output folder, and None where that has no checkpoint.
    """
    if wanted == "auto":
        found = newest_checkpoint(output_dir)
        if not found:
            logger.info("%s: no checkpoint there, the training starts anew", output_dir)
        return found
    if not wanted.is_dir():
        return wanted.with_suffix("") if wanted.suffix in _SUFFIXES else wanted
    found = newest_checkpoint(wanted)
    if not found:
        raise UserError(f"{wanted}: there is no checkpoint (*.pdstate) to resume from")
    return found


def newest_checkpoint(folder: Path) -> Path | None:
    """The most recently completed whole checkpoint of an output folder (without extension), None where there is none.

    Broken ones are passed over with a warning. Raises UserError where all are broken.
    """
    found: dict[Path, int] = {}
    # a name that begins with a dot: the unfinished file of a process that was killed
    for file in [file for suffix in (".pdopt", ".pdstate") for file in folder.glob(f"[!.]*{suffix}")]:
        stem = file.with_suffix("")
        found[stem] = max(found.get(stem, 0), file.stat().st_mtime_ns)
    for path in sorted(found, key=lambda stem: (found[stem], stem.name), reverse=True):
        try:
            read_whole(path)
        except UserError as error:
            logger.warning("%s: passed over; the one before is tried (%s)", path, error)
        else:
            return path
    if found:
        raise UserError(f"{folder}: none of its {len(found)} checkpoints is whole; restore one, or start anew with "
                        "another -o filename=…")  # fmt: skip
    return None


def remove_older(folder: Path, keep: int, newest: int) -> None:
    """Delete the numbered checkpoints of `folder` up to number `newest`, except the last `keep` of them."""
    numbers = sorted(int(p.stem) for p in folder.glob("*.pdstate") if p.stem.isdecimal() and int(p.stem) <= newest)
    for number in numbers[:-keep]:
        for suffix in reversed(_SUFFIXES):  # .pdstate first: what is left of a deletion cut short is no checkpoint
            (folder / f"{number}{suffix}").unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Delete what processes that were killed while they wrote a checkpoint left in `folder`."""
    for file in [file for suffix in _SUFFIXES for file in folder.glob(f".*.tmp{suffix}")]:
        file.unlink(missing_ok=True)


def _read_state(path: Path) -> dict[str, Any]:
    file = with_suffix(path, ".pdstate")
    if not file.is_file():
        raise UserError(f"{file}: there is no such checkpoint; to start from weights alone use -o pretrain_weights=…")
    state = read_arrays(file)
    if "progress" not in state:
        raise UserError(f"{path}.pdstate: not the state of a checkpoint; resume from another one")
    return state


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


def with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def checksum(file: Path) -> int:
    return zlib.crc32(file.read_bytes())


def state_checksum(state: Mapping[str, Any]) -> int:
    """Of what `.pdstate` holds, its own checksum and the loss scale left out."""
    others = {suffix: number for suffix, number in state["checksums"].items() if suffix != ".pdstate"}
    ema = state.get("ema", {"step": 0, "state": {}})
    classes = [state["classes"]] if "classes" in state else []  # an earlier version wrote none
    total = zlib.crc32(repr((state["progress"], state["optimizer"], others, ema["step"], *classes)).encode())
    for value in ema["state"].values():
        total = zlib.crc32(np.ascontiguousarray(value), total)
    return total
