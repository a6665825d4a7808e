"""Checkpoints in the published layout, plus a file with everything that an exact continuation needs.

<name>.pdparams  weights under published names, averaged if EMA is on, and ids and names of the classes
<name>.pdema     weights without averaging, if EMA is on
<name>.pdopt     optimizer state and `last_epoch`
<name>.pdstate   position in training, seed, EMA state, best score, ids and names of the classes, the teacher's name and
                 the projector of a distillation, and the checksums of the other files

All files are written and flushed under temporary names first, and `.pdstate` is renamed last. So if a file cannot be
written, an older checkpoint of the same name stays as it was, and a checkpoint that was cut off between two renames is
recognized as broken.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ppdet.core.errors import UserError
from ppdet.data.datasets import Category
from ppdet.deploy.files import atomic_path
from ppdet.distillation import Distiller, restore
from ppdet.modeling import PicoDet
from ppdet.modeling.fake_quant import has_fake_quant
from ppdet.optim.ema import ModelEMA, frozen_entries
from ppdet.training.checkpoint_folder import read_whole, state_checksum
from ppdet.training.int8_weights import check_int8
from ppdet.utils.files import checksum, with_suffix
from ppdet.utils.weight_files import read_arrays
from ppdet.weights.int8_layout import int8_entry
from ppdet.weights.published_names import from_published, published_name, to_published
from ppdet.weights.trained_classes import classes_entry

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPosition:
    """A position in training.

    If all steps of an epoch are done but it has not been evaluated yet, `step` is the number of steps per epoch.

    Attributes:
        epoch: the epoch that continues here, counted from 0.
        step: the first step of that epoch that is not done.
        updates: optimizer steps so far.
        seed: the seed of the run.
        best: the best score so far; None before the first evaluation.
        batch: images per step over all ranks; 0: unknown (a checkpoint of an earlier version).
        scores: the evaluations so far: epochs that were done, the primary score. Those of earlier versions are missing.
    """

    epoch: int
    step: int
    updates: int
    seed: int
    best: float | None = None
    batch: int = 0
    scores: tuple[tuple[int, float], ...] = ()

    def with_batch(self, batch: int, steps: int) -> TrainingPosition:
        """Returns the same position for `batch` images per step and `steps` steps per epoch, as on other ranks.

        All ranks together take the images of an epoch in one order, so the images that are done are its beginning. The
        images of a step that begins before this position and ends after it are seen twice.
        """
        if self.batch in (0, batch):
            return replace(self, batch=batch)
        step = min(self.step * self.batch // batch, steps)
        return replace(self, step=step, updates=self.epoch * steps + step, batch=batch)


def save_weights(
    path: Path, model: PicoDet, state: Mapping[str, paddle.Tensor], categories: Sequence[Category] = ()
) -> None:
    """Write `state` (a state dict of `model`) and the classes as `<path>.pdparams` under its published names."""
    with atomic_path(with_suffix(path, ".pdparams")) as temp:
        paddle.save(to_published(model, _arrays(state)) | classes_entry(categories), str(temp))


def save_checkpoint(
    path: Path,
    model: PicoDet,
    optimizer: paddle.optimizer.Optimizer,
    ema: ModelEMA | None,
    progress: TrainingPosition,
    scaler: paddle.amp.GradScaler | None = None,
    categories: Sequence[Category] = (),
    distiller: Distiller | None = None,
) -> None:
    """Write all files of the checkpoint `path` (without extension), or none of them."""
    raw = to_published(model, ema.weights() if ema else _arrays(model.state_dict()))
    weights = to_published(model, ema.averaged()) if ema and ema.step else raw
    contents = {".pdparams": weights | classes_entry(categories) | int8_entry(model)}
    if ema:
        contents[".pdema"] = raw
    contents[".pdopt"] = _slots(optimizer) | {"last_epoch": progress.epoch}
    state: dict[str, Any] = {"progress": asdict(progress), "optimizer": type(optimizer).__name__, "checksums": {}}
    if categories:
        state["classes"] = [[category.id, category.name] for category in categories]
    if frozen := list(frozen_entries(model)):
        state["frozen"] = frozen
    if distiller:
        state["distillation"] = distiller.state()
    if ema:
        state["ema"] = {"step": ema.step, "state": ema.state()}
    if scaler:
        state["scaler"] = scaler.state_dict()  # empty if it is disabled
    with ExitStack() as stack:  # closed in reverse order
        last = stack.enter_context(atomic_path(with_suffix(path, ".pdstate")))
        for suffix, content in contents.items():
            temp = stack.enter_context(atomic_path(with_suffix(path, suffix)))
            _write(content, temp)
            state["checksums"][suffix] = checksum(temp)
        state["checksums"][".pdstate"] = state_checksum(state)
        _write(state, last)


def load_checkpoint(
    path: Path,
    model: PicoDet,
    optimizer: paddle.optimizer.Optimizer,
    ema: ModelEMA | None,
    scaler: paddle.amp.GradScaler | None = None,
    distiller: Distiller | None = None,
) -> TrainingPosition:
    """Load the checkpoint `path` (without extension) into all parts, and return its position.

    Raises:
        UserError: the checkpoint is broken, or belongs to another model or other settings.
    """
    state = read_whole(path)
    if (ema is None) == ("ema" in state):
        raise UserError(f"use_ema: is {ema is not None} here, but {path} was saved with {'ema' in state}")
    if type(optimizer).__name__ != state["optimizer"]:
        kinds = f"is {type(optimizer).__name__} here, but {path} was saved with {state['optimizer']}"
        raise UserError(f"OptimizerBuilder.optimizer.type: {kinds}")
    arrays = from_published(model, read_arrays(with_suffix(path, ".pdema" if ema else ".pdparams")))
    check_int8(path, arrays, has_fake_quant(model))
    _refuse_freed(path, set(state.get("frozen", ())) - set(frozen_entries(model)))
    expected = model.state_dict()
    fault = f"{path}: a checkpoint of another model; resume with the config that it was trained with"
    if not all(_fits(arrays.get(name), value) for name, value in expected.items()):
        raise UserError(fault)
    if ema and not all(_fits(state["ema"]["state"].get(name), value) for name, value in expected.items()):
        raise UserError(fault)
    restore(distiller, path, state.get("distillation"))
    for name, value in expected.items():
        value.set_value(arrays[name])
    _set_slots(optimizer, with_suffix(path, ".pdopt"))
    if ema:
        ema.load(**state["ema"])
    if scaler and scaler.is_enable() and state.get("scaler"):
        scaler.load_state_dict(state["scaler"])
    progress = TrainingPosition(**state["progress"])
    logger.info("%s: resuming at epoch %d, step %d", path, progress.epoch, progress.step)
    return progress


def _refuse_freed(path: Path, names: set[str]) -> None:
    """Raises UserError if entries that were frozen are trained now: the optimizer's state has nothing for them."""
    if names:
        found = f"{published_name(min(names))} (and {len(names) - 1} more) was frozen in this run and is trained now"
        remedy = f"resume with the run's freeze_at and freeze_norm, or start a new run with pretrain_weights={path}"
        raise UserError(f"{path}: {found}; {remedy}")


def _fits(found: Any, expected: paddle.Tensor) -> bool:
    """Whether an entry of a file can be the value of the tensor `expected`."""
    return isinstance(found, np.ndarray) and found.shape == tuple(expected.shape) and found.dtype == np.float32


def _slots(optimizer: paddle.optimizer.Optimizer) -> dict[str, Any]:
    """The optimizer's state. Paddle 2.6 leaves out what was loaded, until the first update."""
    loaded = {} if optimizer._accumulators else optimizer._accumulators_holder
    return {**loaded, **optimizer.state_dict()}


def _set_slots(optimizer: paddle.optimizer.Optimizer, file: Path) -> None:
    """Load the optimizer's state from a .pdopt file."""
    slots = {name: value for name, value in read_arrays(file).items() if name != "last_epoch"}
    tensors = {
        name: paddle.to_tensor(value) if isinstance(value, np.ndarray) else value for name, value in slots.items()
    }
    try:
        optimizer.set_state_dict(tensors)
    # Paddle checks by assertions, and its C++ code raises other errors
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())[:100]
        raise UserError(f"{file}: not the state of this optimizer ({words}); resume from another checkpoint") from error


def _arrays(state: Mapping[str, paddle.Tensor]) -> dict[str, np.ndarray]:
    # without assign, numpy() of a view (flat_tensors.py) would copy the whole vector
    return {name: paddle.assign(value).numpy() for name, value in state.items()}


def _write(content: Any, file: Path) -> None:
    """Save and flush a file, so that only renames are left when all files are written."""
    paddle.save(content, str(file))
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
