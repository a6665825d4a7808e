"""Reads weight and state files: `.pdparams` and its companions, and `.safetensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.utils.pickle_machine import UnsafePickleError
from ppdet.utils.safe_pickle import read_pickle

_EXPORTED = (".pdiparams", ".pdmodel", ".json", ".onnx", ".xml", ".bin")
# NumPy's names of the dtypes in safetensors files; bfloat16 is read as its bits, as in Paddle's files
_FLOATS = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"}
_INTEGERS = {"U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}
_DTYPES = {**_FLOATS, **_INTEGERS, "BOOL": "?"}


def read_arrays(path: Path, name: str = "") -> dict[str, Any]:
    """Returns the content of a weight or state file: read-only NumPy arrays, numbers, text and containers of them.

    Runs no code that the file names. The extension of `name`, by default of `path`, says what kind of file it is.

    Raises:
        UserError: the file is missing, cut short, of another kind, or wants to run something.
    """
    suffix = Path(name or path).suffix.lower()
    if not path.is_file():
        raise UserError(f"{path}: there is no such weight file; check the path, or give a published name or URL")
    if suffix in _EXPORTED:
        raise UserError(f"{path}: an exported model; give the .pdparams it was made of")
    try:
        content = _read_safetensors(path) if suffix == ".safetensors" else _read_pickle(path)
    except UnsafePickleError as error:
        raise UserError(f"{path}: refused: {error}; get the weights from a source that you trust") from error
    except ValueError as error:
        kind = "" if suffix == ".safetensors" else "Paddle "
        raise UserError(
            f"{path}: not a {kind}weight file or cut short ({_shortened(error)}); download or copy it again"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the file") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a state dict, found {type(content).__name__}")
    return content


def not_weights(path: Path, name: str = "") -> str | None:
    """Returns what the file is instead of weights, as in "a web page", or None if it may hold weights.

    `name` is that of `read_arrays`.
    """
    with path.open("rb") as file:
        head = file.read(64).lstrip().lower()
    if not head:
        return "empty"
    kinds = {
        b"<": "a web page",
        b"{": "JSON text",
        b"version https://git-lfs": "a Git LFS pointer",
        b"pk\x03\x04": "a zip archive, as PyTorch writes",
    }
    # safetensors files begin with a length, and read_arrays reports exported models
    if Path(name or path).suffix.lower() in (".safetensors", *_EXPORTED):
        kinds = {}
    return next((kind for start, kind in kinds.items() if head.startswith(start)), None)


def _read_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return read_pickle(file)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import SafetensorError, deserialize
    except ImportError as error:
        raise UserError(f"{path}: needs the package safetensors; pip install safetensors") from error
    try:
        tensors = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    found = {}
    for name, tensor in tensors:
        if tensor["dtype"] not in _DTYPES:
            raise UserError(f"{path}: {name} is of type {tensor['dtype']}; expected floating-point numbers")
        found[name] = np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return found


def _shortened(error: ValueError) -> str:
    """Returns the beginning of an error that may quote the file."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(error))
    return text if len(text) <= 80 else text[:80] + "…"
