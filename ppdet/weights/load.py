"""Loads weight files into a model: whole detectors, detectors of another number of classes, ImageNet backbones."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ppdet.core.errors import UserError
from ppdet.modeling import PicoDet
from ppdet.utils.weight_files import read_arrays
from ppdet.weights.published_names import from_published, published_name

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

# the only layers whose shape depends on num_classes
_CLASSIFIER = re.compile(r"^head\.(head_cls\.\d+|one_to_one\.\d+\.logits)\.")
_BRANCH = "head.one_to_one."  # of PicoHeadE2E, which the weights of a PicoHeadV2 do not have
_BFLOAT16 = np.dtype(np.uint16)  # Paddle stores bfloat16 as its bits
_LISTED = 8  # differences that an error message names before it counts the rest


def load_weights(model: PicoDet, path: Path) -> None:
    """Load a detector for evaluation, inference or export.

    Raises:
        UserError: a tensor is missing, or has another shape or values that are not finite.
    """
    arrays = _parameters(model, path)
    expected = _expected(model, path, arrays)
    problems = _differences(expected, arrays)
    if problems:
        raise UserError(f"{path}: these are weights of another model: {_enumerate(problems)}; check -c and num_classes")
    _assign(model, path, arrays)
    logger.info("%s: loaded, all %d tensors match", path, len(expected))


def load_pretrained(model: PicoDet, path: Path, starts: Sequence[int | None] | None = None) -> None:
    """Load a detector with any number of classes, or a backbone trained on ImageNet, to start training from.

    Args:
        model: the detector.
        path: the weights.
        starts: for each class of the model, the class of the file that it starts from, or None if it starts untrained.
            Without it the classes keep their positions, or all start untrained if their number differs.

    Raises:
        UserError: the file is neither of the two, or a tensor that is used has values that are not finite.
    """
    arrays = _parameters(model, path)
    expected = _expected(model, path, arrays)
    if not any(name in arrays for name in expected):
        _load_backbone(model, path, arrays)
        return
    classifier = {name for name in expected if _CLASSIFIER.match(name)}
    untrained: set[str] = set()
    if starts is not None:
        arrays |= _by_class(model, arrays, starts)
    if any(name in arrays and arrays[name].shape != expected[name] for name in classifier):
        untrained = classifier
        arrays = {name: value for name, value in arrays.items() if name not in classifier}
    problems = _differences({name: shape for name, shape in expected.items() if name not in untrained}, arrays)
    if problems:
        raise UserError(f"{path}: does not fit this model: {_enumerate(problems)}; check pretrain_weights")
    _assign(model, path, arrays)
    note = f"; num_classes differs, so the {len(untrained)} of the classification layers start untrained"
    loaded = len(expected) - len(untrained)
    logger.info("%s: loaded %d of %d tensors%s", path, loaded, len(expected), note if untrained else "")


def _expected(model: PicoDet, path: Path, arrays: Arrays) -> dict[str, tuple[int, ...]]:
    """The shapes of the model's tensors by name, without those of a branch that the file has nothing of."""
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    branch = {name for name in expected if name.startswith(_BRANCH)}
    if not branch or not branch.isdisjoint(arrays) or expected.keys().isdisjoint(arrays):
        return expected
    logger.info("%s: has no one-to-one branch; the model's stays untrained", path)
    return {name: shape for name, shape in expected.items() if name not in branch}


def _parameters(model: PicoDet, path: Path) -> Arrays:
    """The tensors of a weight file under our names."""
    published = {name: value for name, value in read_arrays(path).items() if isinstance(value, np.ndarray)}
    return from_published(model, published)


def _by_class(model: PicoDet, arrays: Arrays, starts: Sequence[int | None]) -> Arrays:
    """The classification layers of a file in the order of the model's classes.

    A layer whose first axis also has outputs for boxes has them after those of the classes.
    """
    found = {}
    for name, value in model.state_dict().items():
        if not _CLASSIFIER.match(name) or name not in arrays:
            continue
        layer, theirs = value.numpy().copy(), _as_float32(arrays[name])
        boxes = len(layer) - len(starts)
        classes = len(theirs) - boxes
        if theirs.shape[1:] != layer.shape[1:] or any(start is not None and start >= classes for start in starts):
            continue  # the layer of another model, which is reported
        for position, start in enumerate(starts):
            if start is not None:
                layer[position] = theirs[start]
        layer[len(starts) :] = theirs[classes:]
        found[name] = layer
    return found


def _load_backbone(model: PicoDet, path: Path, arrays: Arrays) -> None:
    """Load a backbone from an ImageNet file, whose names lack `backbone.`; its classifier is not used."""
    ours = {published_name(f"backbone.{n}").removeprefix("backbone."): n for n in model.backbone.state_dict()}
    matched = {f"backbone.{ours[name]}": value for name, value in arrays.items() if name in ours}
    expected = {f"backbone.{name}": tuple(value.shape) for name, value in model.backbone.state_dict().items()}
    problems = _differences(expected, matched)
    if problems:
        raise UserError(f"{path}: fits neither this model nor its backbone: {_enumerate(problems)}")
    _assign(model, path, matched)
    left_over = len(arrays) - len(matched)
    logger.info("%s: loaded the backbone, %d tensors; %d of the file not used", path, len(matched), left_over)


def _differences(expected: dict[str, tuple[int, ...]], arrays: Arrays) -> list[str]:
    """Describes the tensors of `expected` that `arrays` lacks or has with another shape or type."""
    problems = [f"{published_name(name)} missing" for name in expected if name not in arrays]
    for name, shape in expected.items():
        if name not in arrays:
            continue
        if arrays[name].shape != shape:
            problems.append(f"{published_name(name)} {list(arrays[name].shape)} instead of {list(shape)}")
        elif arrays[name].dtype.kind != "f" and arrays[name].dtype != _BFLOAT16:
            problems.append(f"{published_name(name)} {arrays[name].dtype} instead of floating-point numbers")
    return problems


def _enumerate(problems: list[str]) -> str:
    rest = len(problems) - _LISTED
    return ", ".join(problems[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _assign(model: PicoDet, path: Path, arrays: Arrays) -> None:
    """Set the tensors of `model` that are in `arrays`; raise UserError, and set none, if one has impossible values."""
    state = model.state_dict()
    values = {name: _as_float32(value) for name, value in arrays.items() if name in state}
    for name, value in values.items():
        if not np.isfinite(value).all():
            raise UserError(f"{path}: {published_name(name)} holds NaN or infinite values; take an earlier checkpoint")
        if name.endswith("_variance") and value.min() < 0:
            raise UserError(f"{path}: {published_name(name)} holds negative variances; take an earlier checkpoint")
    for name, value in values.items():
        state[name].set_value(value)


def _as_float32(value: np.ndarray) -> np.ndarray:
    if value.dtype == _BFLOAT16:
        return (value.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # a float64 that is too large becomes infinite, which `_assign` refuses
        return value.astype(np.float32)
