"""Checkpoints in the published layout, plus one file with all that an exact continuation needs.

<name>.pdparams  weights under published names; the averaged ones where EMA is on
<name>.pdema     the raw weights, where EMA is on
<name>.pdopt     optimizer state and `last_epoch`
<name>.pdstate   the rest: place in training, seed, EMA state, best score. Written last: it marks a whole checkpoint
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
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
    arrays = {name: value.numpy() for name, value in state.items()}
    _save(to_published(model, arrays), path, ".pdparams")


def save_checkpoint(
    path: Path, model: PicoDet, optimizer: paddle.optimizer.Optimizer, ema: ModelEMA | None, progress: Progress
) -> None:
    """Write the four files of the checkpoint `path` (without extension), each whole or not at all."""
    raw = {name: value.numpy() for name, value in model.state_dict().items()}
    save_weights(path, model, ema.averaged() if ema and ema.step else model.state_dict())
    if ema:
        _save(to_published(model, raw), path, ".pdema")
    _save(optimizer.state_dict() | {"last_epoch": progress.epoch}, path, ".pdopt")
    state: dict[str, Any] = {"progress": asdict(progress)}
    if ema:
        state["ema"] = {"step": ema.step, "state": {name: value.numpy() for name, value in ema.state.items()}}
    _save(state, path, ".pdstate")


def load_checkpoint(
    path: Path, model: PicoDet, optimizer: paddle.optimizer.Optimizer, ema: ModelEMA | None
) -> Progress:
    """Continue from a checkpoint: `path` with or without extension, or a folder, whose newest one is taken.

    Raises UserError where it is not whole or belongs to another model or other settings.
    """
    path = _stem(path)
    state = _read_state(path)
    if (ema is None) == ("ema" in state):
        raise UserError(f"use_ema: is {ema is not None} here, but {path} was saved with {'ema' in state}")
    arrays = from_published(model, read_arrays(_with_suffix(path, ".pdema" if ema else ".pdparams")))
    expected = model.state_dict()
    if any(name not in arrays or arrays[name].shape != tuple(value.shape) for name, value in expected.items()):
        raise UserError(f"{path}: a checkpoint of another model; resume with the config that it was trained with")
    for name, value in expected.items():
        value.set_value(arrays[name])
    slots = {k: v for k, v in read_arrays(_with_suffix(path, ".pdopt")).items() if k != "last_epoch"}
    optimizer.set_state_dict({k: paddle.to_tensor(v) if isinstance(v, np.ndarray) else v for k, v in slots.items()})
    if ema:
        ema.step = state["ema"]["step"]
        ema.state = {name: paddle.to_tensor(value) for name, value in state["ema"]["state"].items()}
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
    state = read_arrays(_with_suffix(path, ".pdstate"))
    if "progress" not in state:
        raise UserError(f"{path}.pdstate: not the state of a checkpoint; resume from another one")
    return state


def newest_checkpoint(folder: Path) -> Path:
    """The most recently completed checkpoint of an output folder (path without extension)."""
    states = sorted(folder.glob("*.pdstate"), key=lambda p: p.stat().st_mtime)
    if not states:
        raise UserError(f"{folder}: there is no checkpoint (*.pdstate) to resume from")
    return states[-1].with_suffix("")


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _save(content: dict[str, Any], path: Path, suffix: str) -> None:
    with atomic_path(_with_suffix(path, suffix)) as temp:
        paddle.save(content, str(temp))
