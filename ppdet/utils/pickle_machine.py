"""Runs the instructions of pickles that build arrays, numbers, text and plain containers; see safe_pickle.py."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

# bool, integers, floating-point, complex; files hold bfloat16 as uint16
_PLAIN_DTYPE = re.compile(r"[<>|=]?[biufc]\d{1,2}")


class UnsafePickleError(ValueError):
    """The pickle asks for something that no file of numbers and text needs."""


class _Unfinished:
    """An array or dtype before the instruction BUILD, which sets its value."""

    value: Any = None


class _Function:
    """The replacement for a function that the file may call."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


class Machine:
    """The stack and the memo of a pickle. Its calls may copy `limit` bytes, the size of the file."""

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # stacks below a MARK
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Run one instruction."""
        if name in _PUSHES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"instruction {name}")

    def spend(self, size: int) -> None:
        """Count `size` bytes that a call copies, because a call is short and can be repeated."""
        self.left -= size
        if self.left < 0:
            raise UnsafePickleError("it expands to more data than the file holds")

    def mark(self, _: None) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def take(self, count: int) -> list[Any]:
        items = [self.stack.pop() for _ in range(count)]
        return items[::-1]

    def put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def get(self, index: int) -> None:
        value = self.memo[index]
        self.stack.append(value if not isinstance(value, _Unfinished) or value.value is None else value.value)

    def push_tuple(self, items: list[Any]) -> None:
        self.stack.append(tuple(items))

    def push_list(self, items: list[Any]) -> None:
        self.stack.append(items)

    def push_dict(self, items: list[Any]) -> None:
        self.stack.append({})
        _set_items(self.stack[-1], items)

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError
        self.stack[-1].extend(items)

    def look_up(self, module: str, name: str) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        if (module, name) not in _NAMES:
            shown = re.sub(r"[^\w.]", "?", f"{module}.{name}"[:80])
            raise UnsafePickleError(f"it wants to call {shown}, which no weights file needs")
        self.stack.append(_NAMES[module, name])

    def call(self, _: None) -> None:
        function, arguments = self.take(2)
        if not isinstance(function, _Function) or type(arguments) is not tuple:
            raise TypeError
        self.spend(sum(len(argument) for argument in arguments if isinstance(argument, (str, tuple, list))))
        self.stack.append(function.call(*arguments))

    def build(self, _: None) -> None:
        target, state = self.take(2)
        if not isinstance(target, _Unfinished):
            raise TypeError
        if target.value is not None:  # a dtype
            target.value = _with_byte_order(target.value, state)
            self.stack.append(target)
        else:
            shape, dtype, fortran, data = state[-4:]
            if isinstance(data, str):  # of Python 2
                self.spend(len(data))
                data = data.encode("latin1")
            target.value = _array(data, dtype, shape, "F" if fortran else "C")
            self.stack.append(target.value)


_PUSHES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "BINSTRING", "SHORT_BINSTRING"),
    *("INT", "LONG", "FLOAT", "STRING", "UNICODE"),  # these, DICT, LIST, PUT and GET: oldest protocols
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
_ACTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "MARK": Machine.mark,
    "TUPLE": lambda machine, _: machine.push_tuple(machine.since_mark()),
    "TUPLE1": lambda machine, _: machine.push_tuple(machine.take(1)),
    "TUPLE2": lambda machine, _: machine.push_tuple(machine.take(2)),
    "TUPLE3": lambda machine, _: machine.push_tuple(machine.take(3)),
    "APPEND": lambda machine, _: machine.append(machine.take(1)),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "SETITEM": lambda machine, _: _set_items(machine.stack[-3], machine.take(2)),
    "SETITEMS": lambda machine, _: _set_items(machine.outer[-1][-1], machine.since_mark()),
    "DICT": lambda machine, _: machine.push_dict(machine.since_mark()),
    "LIST": lambda machine, _: machine.push_list(machine.since_mark()),
    "PUT": Machine.put,
    "BINPUT": Machine.put,
    "LONG_BINPUT": Machine.put,
    "MEMOIZE": Machine.put,
    "GET": Machine.get,
    "BINGET": Machine.get,
    "LONG_BINGET": Machine.get,
    "INST": lambda machine, argument: machine.look_up(*argument.split(" ", 1)),
    "GLOBAL": lambda machine, argument: machine.look_up(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.look_up(*machine.take(2)),
    "REDUCE": Machine.call,
    "BUILD": Machine.build,
}


def _set_items(target: Any, items: list[Any]) -> None:
    if type(target) is not dict:
        raise TypeError
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) is not str:
            raise UnsafePickleError(f"it has a key of type {type(key).__name__}, where names of tensors are text")
        target[key] = value


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise UnsafePickleError("it encodes text in another way than arrays are written")
    return text.encode(encoding)


def _tuple(items: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
    if type(items) not in (list, tuple):
        raise TypeError
    return tuple(items)


def _ordered(pairs: list[Any] | tuple[Any, ...] = ()) -> dict[str, Any]:
    made: dict[str, Any] = {}
    _set_items(made, [part for key, value in pairs for part in (key, value)])
    return made


def _dtype(code: str, *_: Any) -> _Unfinished:
    if not isinstance(code, str) or not _PLAIN_DTYPE.fullmatch(code):
        raise UnsafePickleError("it has an array of something other than numbers")
    made = _Unfinished()
    made.value = np.dtype(code)
    return made


def _with_byte_order(dtype: np.dtype, state: Any) -> np.dtype:
    _, order, *described = state
    if order not in ("<", ">", "|", "=") or any(described[:3]):
        raise UnsafePickleError("it has an array of something other than numbers")
    return dtype.newbyteorder(order)


def _array(data: Any, dtype: Any, shape: Any, order: str, *_: Any) -> np.ndarray:
    dtype = dtype.value if isinstance(dtype, _Unfinished) else dtype
    if not isinstance(dtype, np.dtype) or not isinstance(data, (bytes, bytearray)) or len(shape) > 32:
        raise UnsafePickleError("it has an array of something other than numbers")
    if any(type(side) is not int or side < 0 for side in shape):
        raise TypeError
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {list(shape)} has {len(data)} bytes")
    # frombuffer takes no empty buffer
    flat: np.ndarray = np.frombuffer(data, dtype) if data else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: Any, data: Any) -> np.generic:
    value: np.generic = _array(data, dtype, (1,), "C")[0]
    return value


_NDARRAY = _Function(lambda *_: _Unfinished())
_NAMES = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(_dtype),
    ("_codecs", "encode"): _Function(_encode),
    ("collections", "OrderedDict"): _Function(_ordered),
}
for _module in ("builtins", "__builtin__"):
    _NAMES[_module, "tuple"] = _Function(_tuple)
    _NAMES[_module, "bytes"] = _Function(lambda: b"")
for _package in ("numpy.core", "numpy._core"):
    _NAMES[f"{_package}.multiarray", "_reconstruct"] = _NDARRAY
    _NAMES[f"{_package}.multiarray", "scalar"] = _Function(_scalar)
    _NAMES[f"{_package}.numeric", "_frombuffer"] = _Function(_array)
