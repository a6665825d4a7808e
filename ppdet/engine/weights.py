"""Reading weight files into a model: whole detectors, detectors of another number of classes, ImageNet backbones."""

from __future__ import annotations

import logging
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ppdet.core.errors import UserError
from ppdet.engine.published_names import from_published, published_name
from ppdet.modeling import PicoDet

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

_CLASSIFIER = re.compile(r"^head\.head_cls\.\d+\.")  # the only layers whose shape follows from num_classes
_LISTED = 8  # differences that an error message names before it counts the rest


def read_arrays(path: Path) -> dict[str, Any]:
    """The content of a `.pdparams`, `.pdema` or `.pdopt` file, tensors as NumPy arrays.

    Raises UserError where the file is missing, cut short or no Paddle file.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such weight file; check the path, or give a published name or URL")
    try:
        content = paddle.load(str(path), return_numpy=True)
    # pickle raises nearly anything on bytes that are not its own
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
            ImportError, RuntimeError, MemoryError, OverflowError, UnicodeDecodeError) as error:  # fmt: skip
        raise UserError(
            f"{path}: not a Paddle weight file or cut short ({type(error).__name__}); download or copy it again"
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a state dict, found {type(content).__name__}")
    return content


def load_weights(model: PicoDet, path: Path) -> None:
    """Load a detector for evaluation, inference or export: every tensor must be there with its shape.

    Raises UserError with the list of differences otherwise.
    """
    arrays = _parameters(model, path)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    problems = _differences(expected, arrays)
    if problems:
        raise UserError(f"{path}: these are weights of another model: {_enumerate(problems)}; check -c and num_classes")
    _assign(model, arrays)
    logger.info("%s: loaded, all %d tensors match", path, len(expected))


def load_pretrained(model: PicoDet, path: Path) -> None:
    """Load what training starts from: a detector (of any number of classes) or a backbone trained on ImageNet.

    Raises UserError where the file is neither.
    """
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    arrays = _parameters(model, path)
    if not any(name in arrays for name in expected):
        _load_backbone(model, path, arrays)
        return
    classifier = {name for name in expected if _CLASSIFIER.match(name)}
    renewed = {name for name in classifier if name in arrays and arrays[name].shape != expected[name]}
    if renewed:
        renewed = classifier
        arrays = {name: value for name, value in arrays.items() if name not in classifier}
    problems = _differences({name: shape for name, shape in expected.items() if name not in renewed}, arrays)
    if problems:
        raise UserError(f"{path}: does not fit this model: {_enumerate(problems)}; check pretrain_weights")
    _assign(model, arrays)
    logger.info("%s: loaded %d of %d tensors%s", path, len(expected) - len(renewed), len(expected),
                f"; num_classes differs, so the {len(renewed)} of the classification layers start anew"
                if renewed else "")  # fmt: skip


def _parameters(model: PicoDet, path: Path) -> Arrays:
    published = {name: value for name, value in read_arrays(path).items() if isinstance(value, np.ndarray)}
    return from_published(model, published)


def _load_backbone(model: PicoDet, path: Path, arrays: Arrays) -> None:
    """ImageNet files name their tensors without `backbone.`; entries of the classifier are left over."""
    ours = {published_name(f"backbone.{n}").removeprefix("backbone."): n for n in model.backbone.state_dict()}
    matched = {f"backbone.{ours[name]}": value for name, value in arrays.items() if name in ours}
    expected = {f"backbone.{name}": tuple(value.shape) for name, value in model.backbone.state_dict().items()}
    problems = _differences(expected, matched)
    if problems:
        raise UserError(f"{path}: fits neither this model nor its backbone: {_enumerate(problems)}")
    _assign(model, matched)
    left_over = len(arrays) - len(matched)
    logger.info("%s: loaded the backbone, %d tensors; %d of the file not used", path, len(matched), left_over)


def _differences(expected: dict[str, tuple[int, ...]], arrays: Arrays) -> list[str]:
    problems = [f"{published_name(name)} missing" for name in expected if name not in arrays]
    problems += [
        f"{published_name(name)} {list(arrays[name].shape)} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != shape
    ]
    return problems


def _enumerate(problems: list[str]) -> str:
    rest = len(problems) - _LISTED
    return ", ".join(problems[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _assign(model: PicoDet, arrays: Arrays) -> None:
    state = model.state_dict()
    for name, value in arrays.items():
        if name in state:
            state[name].set_value(value.astype("float32"))
