"""Reads pickles of NumPy arrays, numbers, text and plain containers without running any code that they name.

Weight files are pickles: programs whose instructions may call any function. `pickletools` splits the program into
instructions, and `Machine` runs those that build data. It replaces the functions that a file may name by its own ones,
and limits the memory that their results take by the size of the file.
"""

from __future__ import annotations

import os
import pickletools
from typing import Any, BinaryIO

import numpy as np

from ppdet.utils.pickle_machine import Machine, UnsafePickleError

_MAX_STEPS = 1_000_000  # instructions of a file, and values in its containers; a tensor takes about 30
_MAX_DEPTH = 16  # of containers in containers
_BIG_TENSORS = "UnpackBigParamInfor@@"  # sic: tensors that Paddle wrote in pieces, since old pickles end at 4 GB
_NAME_TABLE = "StructuredToParameterName@@"


def read_pickle(file: BinaryIO) -> Any:
    """Returns what `paddle.load(…, return_numpy=True)` returns for a file of `paddle.save`, with read-only arrays.

    Raises:
        UnsafePickleError: the file wants to call a function, or to take an unreasonable amount of memory.
        ValueError: not a pickle, or cut short.
    """
    machine = Machine(os.fstat(file.fileno()).st_size)
    try:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(file)):
            if number == _MAX_STEPS:
                raise UnsafePickleError(f"it has more than {_MAX_STEPS:,} instructions")
            machine.step(instruction.name, argument)
        content = _Plain().convert(machine.stack.pop())
        if isinstance(content, dict):
            content.pop(_NAME_TABLE, None)
            _join_pieces(content, machine.limit)
        return content
    except UnsafePickleError:
        raise
    # errors of damaged files, whose operands are missing or of another type
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(f"{type(error).__name__} in its instructions") from error


class _Plain:
    """Checks that content is plain, and replaces the pairs (name, array) that Paddle writes by the arrays."""

    def __init__(self) -> None:
        self.seen = 0

    def convert(self, value: Any, depth: int = 0) -> Any:
        self.seen += 1
        if depth > _MAX_DEPTH or self.seen > _MAX_STEPS:
            raise UnsafePickleError("it nests containers too deeply or too often")
        if type(value) is dict:
            return {key: self.convert(entry, depth + 1) for key, entry in value.items()}
        if type(value) is tuple and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], np.ndarray):
            return value[1]
        if type(value) in (list, tuple):
            return type(value)(self.convert(entry, depth + 1) for entry in value)
        if value is None or isinstance(value, (bool, int, float, str, np.ndarray, np.generic)):
            return value
        raise ValueError("something other than arrays, numbers and text")


def _join_pieces(content: dict[str, Any], limit: int) -> None:
    """Join the tensors that Paddle wrote in pieces; together they may take `limit` bytes."""
    for name, how in content.pop(_BIG_TENSORS, {}).items():
        pieces = [content[piece] for piece in how["slices"]]
        limit -= sum(piece.nbytes for piece in pieces)
        if limit < 0:
            raise UnsafePickleError("it expands to more data than the file holds")
        content[name] = np.concatenate(pieces).reshape(how["OriginShape"])
        for piece in how["slices"]:
            del content[piece]
