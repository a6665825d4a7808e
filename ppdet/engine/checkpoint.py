"""Checkpoints in the published layout, plus one file with all that an exact continuation needs.

<name>.pdparams  weights under published names; the averaged ones where EMA is on
<name>.pdema     the raw weights, where EMA is on
<name>.pdopt     optimizer state and `last_epoch`
<name>.pdstate   the rest: place in training, seed, EMA state, best score, and the checksums of the other files

All are written under temporary names first, and `.pdstate` takes its own last: when one cannot be written, an older
checkpoint of the same name stays as it was, and one that was cut off between two renames does not pass for whole.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ppdet.core.errors import UserError
from ppdet.engine.ema import ModelEMA
from ppdet.engine.published_names import from_published, to_published
from ppdet.engine.weights import read_arrays
from ppdet.modeling import PicoDet
from ppdet.utils.files import atomic_path

logger = logging.getLogger(__name__)

_SUFFIXES = (".pdparams", ".pdema", ".pdopt", ".pdstate")


@dataclass(frozen=True)
class Progress:
    """A place in training, and what the randomness from there on follows from.

    epoch  the epoch that continues here; step  its first step that is still to do; updates  optimizer steps so far
    seed   of the run; best  the best score so far, None before the first evaluation
    """

    epoch: int
    step: int
    updates: int
    seed: int
    best: float | None = None


def save_weights(path: Path, model: PicoDet, state: Mapping[str, paddle.Tensor]) -> None:
    """Write `state` (a state dict of `model`) as `<path>.pdparams` under its published names."""
    with atomic_path(_with_suffix(path, ".pdparams")) as temp:
        paddle.save(_published(model, state), str(temp))


def save_checkpoint(
    path: Path, model: PicoDet, optimizer: paddle.optimizer.Optimizer, ema: ModelEMA | None, progress: Progress
) -> None:
    """Write the files of the checkpoint `path` (without extension), all of them or none."""
    raw = _published(model, model.state_dict())
    contents = {".pdparams": _published(model, ema.averaged()) if ema and ema.step else raw}
    if ema:
        contents[".pdema"] = raw
    contents[".pdopt"] = optimizer.state_dict() | {"last_epoch": progress.epoch}
    state: dict[str, Any] = {"progress": asdict(progress), "optimizer": type(optimizer).__name__, "checksums": {}}
    if ema:
        state["ema"] = {"step": ema.step, "state": ema.state()}
    with ExitStack() as stack:  # left in reverse order
        last = stack.enter_context(atomic_path(_with_suffix(path, ".pdstate")))
        for suffix, content in contents.items():
            temp = stack.enter_context(atomic_path(_with_suffix(path, suffix)))
            paddle.save(content, str(temp))
            state["checksums"][suffix] = _checksum(temp)
        paddle.save(state, str(last))


def load_checkpoint(
    path: Path, model: PicoDet, optimizer: paddle.optimizer.Optimizer, ema: ModelEMA | None
) -> Progress:
    """Continue from a checkpoint: `path` with or without extension, or a folder, whose newest one is taken.

    Raises UserError where it is not whole or belongs to another model or other settings.
    """
    path = _stem(path)
    state = _read_state(path)
    _check_whole(path, state["checksums"])
    if (ema is None) == ("ema" in state):
        raise UserError(f"use_ema: is {ema is not None} here, but {path} was saved with {'ema' in state}")
    if type(optimizer).__name__ != state["optimizer"]:
        kinds = f"is {type(optimizer).__name__} here, but {path} was saved with {state['optimizer']}"
        raise UserError(f"OptimizerBuilder.optimizer.type: {kinds}")
    arrays = from_published(model, read_arrays(_with_suffix(path, ".pdema" if ema else ".pdparams")))
    expected = model.state_dict()
    if any(name not in arrays or arrays[name].shape != tuple(value.shape) for name, value in expected.items()):
        raise UserError(f"{path}: a checkpoint of another model; resume with the config that it was trained with")
    for name, value in expected.items():
        value.set_value(arrays[name])
    slots = {k: v for k, v in read_arrays(_with_suffix(path, ".pdopt")).items() if k != "last_epoch"}
    optimizer.set_state_dict({k: paddle.to_tensor(v) if isinstance(v, np.ndarray) else v for k, v in slots.items()})
    if ema:
        ema.load(**state["ema"])
    progress = Progress(**state["progress"])
    logger.info("%s: resuming at epoch %d, step %d", path, progress.epoch, progress.step)
    return progress


def peek_seed(path: Path) -> int:
    """The seed of the run that wrote the checkpoint `path` (as in load_checkpoint)."""
    return _read_state(_stem(path))["progress"]["seed"]


def _stem(path: Path) -> Path:
    """The checkpoint that a user means: without extension, the newest one of a folder."""
    if path.is_dir():
        return newest_checkpoint(path)
    return path.with_suffix("") if path.suffix in _SUFFIXES else path


def _read_state(path: Path) -> dict[str, Any]:
    file = _with_suffix(path, ".pdstate")
    if not file.is_file():
        raise UserError(f"{file}: there is no such checkpoint; to start from weights alone use -o pretrain_weights=…")
    state = read_arrays(file)
    if "progress" not in state:
        raise UserError(f"{path}.pdstate: not the state of a checkpoint; resume from another one")
    return state


def _check_whole(path: Path, checksums: dict[str, int]) -> None:
    for suffix, expected in checksums.items():
        file = _with_suffix(path, suffix)
        if not file.is_file():
            raise UserError(f"{file}: is missing; resume from another checkpoint")
        if _checksum(file) != expected:
            raise UserError(f"{file}: damaged, or not written together with {path}.pdstate; resume from another one")


def newest_checkpoint(folder: Path) -> Path:
    """The most recently completed checkpoint of an output folder (path without extension)."""
    # a name that begins with a dot: the unfinished file of a process that was killed
    states = sorted(folder.glob("[!.]*.pdstate"), key=lambda p: p.stat().st_mtime)
    if not states:
        raise UserError(f"{folder}: there is no checkpoint (*.pdstate) to resume from")
    return states[-1].with_suffix("")


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _published(model: PicoDet, state: Mapping[str, paddle.Tensor]) -> dict[str, np.ndarray]:
    return to_published(model, {name: value.numpy() for name, value in state.items()})


def _checksum(file: Path) -> int:
    return zlib.crc32(file.read_bytes())
