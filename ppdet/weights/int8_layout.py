"""The quantization of a detector in its weights files, as a training in INT8 writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.modeling import PicoDet
from ppdet.modeling.fake_quant import Int8Layout, has_fake_quant
from ppdet.utils.weight_files import read_arrays

_KEY = "ppdet.int8"  # in a .pdparams file, beside its tensors


def int8_entry(model: PicoDet) -> dict[str, Any]:
    """The entry of a weights file that holds the model's quantization; none if it has no fake quantization."""
    return {_KEY: model.fake_quant.layout.as_entry()} if has_fake_quant(model) else {}


def stored_layout(weights: Path) -> Int8Layout | None:
    """Returns the quantization that a weights file holds; None if it holds none.

    Raises:
        UserError: the file cannot be read, or its entry is broken.
    """
    entry = read_arrays(weights).get(_KEY)
    if entry is None:
        return None
    try:
        return Int8Layout.from_entry(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{weights}: its quantization is broken ({error}); take another checkpoint") from error
