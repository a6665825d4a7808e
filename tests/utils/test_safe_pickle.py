"""Pickles are read as Paddle reads them, and nothing that they name is run."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppdet.utils.pickle_machine import UnsafePickleError
from ppdet.utils.safe_pickle import read_pickle

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3, 4])


def read(file: Path) -> Any:
    with file.open("rb") as stream:
        return read_pickle(stream)


def read_bytes(content: bytes, folder: Path) -> Any:
    file = folder / "file.pdparams"
    file.write_bytes(content)
    return read(file)


def assert_as_paddle(file: Path) -> None:
    np.testing.assert_equal(read(file), paddle.load(str(file), return_numpy=True))


# ---- what is read ----


@PROTOCOLS
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "int64", "uint8", "bool"])
def test_tensors_of_every_kind(tmp_path: Path, dtype: str, protocol: int) -> None:
    tensors = {f"t{len(shape)}": paddle.ones(shape).astype(dtype) for shape in ([], [3], [2, 3], [0, 3])}
    paddle.save(tensors, str(tmp_path / "file"), protocol=protocol)
    assert_as_paddle(tmp_path / "file")


@PROTOCOLS
def test_optimizers_with_their_schedules(tmp_path: Path, protocol: int) -> None:
    layer = paddle.nn.Linear(2, 3)
    for kind in (paddle.optimizer.Momentum, paddle.optimizer.Adam):
        schedule = paddle.optimizer.lr.LinearWarmup(
            paddle.optimizer.lr.PiecewiseDecay([3, 5], [1.0, 0.1, 0.01]), 5, 0, 1
        )
        optimizer = kind(schedule, parameters=layer.parameters())
        layer(paddle.ones([1, 2])).sum().backward()
        optimizer.step()
        paddle.save(optimizer.state_dict() | {"last_epoch": 3}, str(tmp_path / "file"), protocol=protocol)
        assert_as_paddle(tmp_path / "file")


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_numbers_and_containers(tmp_path: Path, protocol: int) -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    content = {
        "orders": [array, np.asfortranarray(array), array.T[::2], np.arange(3, dtype="<i2"), np.ones(2, "complex64")],
        "scalars": (np.float32(3), np.int64(-3), np.bool_(True), 2**70, -1, 0.5, None, True),
        "text": {"näme": "Ωß", "empty": "", "nested": collections.OrderedDict([("a", {}), ("b", [])])},
        "twice": [array, array],
        "pair": ("name", np.ones(3, "float32")),
    }
    (tmp_path / "file").write_bytes(pickle.dumps(content, protocol))
    assert_as_paddle(tmp_path / "file")
    np.testing.assert_equal(read(tmp_path / "file")["orders"], content["orders"])


def test_the_newest_protocol(tmp_path: Path) -> None:
    content = {"w": np.arange(6.0).reshape(2, 3), "f": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    np.testing.assert_equal(read_bytes(pickle.dumps(content, 5), tmp_path), content)


def test_what_python_2_wrote(tmp_path: Path) -> None:
    """Protocol 2 with byte strings, as of Paddle 1: `__builtin__`, U for str, long shapes."""
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    state = b"(K\x01\x8a\x01\x02\x85" + dtype + b"\x89U\x08\x00\x00\x80?\x00\x00\x00\xc0tb"
    content = b"\x80\x02}(U\x01w" + array + state + b"U\x01tc__builtin__\ntuple\n]K\x05a\x85Ru."
    expected = {"w": np.float32([1, -2]), "t": (5,)}
    np.testing.assert_equal(pickle.loads(content, encoding="latin1"), expected)
    np.testing.assert_equal(read_bytes(content, tmp_path), expected)


def test_large_tensors_in_pieces(tmp_path: Path) -> None:
    """As Paddle splits those of more than 4 GB, which old pickles cannot hold."""
    whole = np.arange(12, dtype="float32").reshape(3, 4)
    content = {
        "small": np.ones(2),
        "w@@.0": whole.reshape(-1)[:8],
        "w@@.1": whole.reshape(-1)[8:],
        "UnpackBigParamInfor@@": {"w": {"OriginShape": (3, 4), "slices": ["w@@.0", "w@@.1"]}},
        "StructuredToParameterName@@": {"small": "linear_0.w_0"},
    }
    (tmp_path / "file").write_bytes(pickle.dumps(content, 2))
    assert_as_paddle(tmp_path / "file")
    np.testing.assert_equal(read(tmp_path / "file")["w"], whole)


@pytest.mark.parametrize("name", ["picodet_xs_320_coco_lcnet", "picodet_s_320_coco_esnet"])
def test_published_files(shared: Path, name: str) -> None:
    assert_as_paddle(shared / "weights" / f"{name}.pdparams")


# ---- what is refused ----


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


RUNS = {
    "os.system": (Call(os.system, "touch ran"), r"it wants to call \w+\.system, which no weights file needs"),
    "open": (Call(open, "ran", "w"), r"it wants to call \w+\.open, which"),
    "eval": (Call(eval, "open('ran', 'w')"), r"it wants to call (builtins|__builtin__)\.eval, which"),
    "getattr": (Call(getattr, "", "join"), r"it wants to call (builtins|__builtin__)\.getattr, which"),
    "partial": (Call(__import__("functools").partial, print), r"it wants to call functools\.partial, which"),
    "numpy.load": (Call(np.load, "ran"), r"it wants to call numpy\.load, which"),
    "object": (Path("x"), r"it wants to call pathlib\.\w+, which"),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", RUNS)
def test_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    value, message = RUNS[kind]
    for content in (value, {"w": value}, {"w": [np.ones(2), (value,)]}):
        with pytest.raises(UnsafePickleError, match=message):
            read_bytes(pickle.dumps(content, protocol), tmp_path)
    assert not (tmp_path / "ran").exists()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def name(module: str, member: str) -> bytes:
    return f"c{module}\n{member}\n".encode()


RECONSTRUCT = name("numpy.core.multiarray", "_reconstruct")
ARRAY = RECONSTRUCT + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
DTYPE = name("numpy", "dtype") + text("f4") + b"K\x00K\x01\x87R"
BODY = {
    "another class": (RECONSTRUCT + name("os", "system") + b"K\x00\x85C\x01b\x87R", "it wants to call os.system"),
    "code in a name": (name("os\x1b[2J", "sy stem") + b")R", r"it wants to call os\?\?2J\.sy\?stem"),
    "instance": (b"(ios\nsystem\n", "it wants to call os.system"),
    "objects": (name("numpy", "dtype") + text("O8") + b"K\x00K\x01\x87R", "array of something other than numbers"),
    "text dtype": (name("numpy", "dtype") + text("U9") + b"K\x00K\x01\x87R", "array of something other than numbers"),
    "fields": (name("numpy", "dtype") + text("f4,O") + b"K\x00K\x01\x87R", "array of something other than numbers"),
    "fields later": (DTYPE + b"(K\x03X\x01\x00\x00\x00<Nh\x00}Ntb", ""),
    "shape too large": (ARRAY + b"(K\x01J\xff\xff\xff\x7f\x85" + DTYPE + b"\x89C\x04abcdtb", "array of shape"),
    "negative shape": (ARRAY + b"(K\x01J\xff\xff\xff\xff\x85" + DTYPE + b"\x89C\x04abcdtb", "TypeError"),
    "no state": (ARRAY, "something other than arrays"),
    "list for data": (ARRAY + b"(K\x01K\x01\x85" + DTYPE + b"\x89]tb", "array of something other than numbers"),
    "bytes": (b"C\x01a", "something other than arrays"),
    "keys of numbers": (b"}K\x01K\x01s", "key of type int"),
    "keys of tuples": (b"})" + b"\x85" * 200_000 + b"K\x01s", "key of type tuple"),  # its hash would overflow the stack
    "cyclic": (b"]q\x01h\x01a", "too deeply"),
    "deep": (b"]" * 100_000 + b"a" * 99_999, "too deeply"),
    "doubling": (b"]" + b"q\x01]h\x01ah\x01a" * 40, "too deeply"),
    "a large memo": (b"K\x01r\xff\xff\xff\x7f0", "POP"),
    "a large size": (b"\x8e" + struct.pack("<Q", 1 << 40) + b"abc", ""),
    "a larger size": (b"\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"abc", ""),
    "a frame too large": (b"\x95" + struct.pack("<Q", 1 << 40) + b"K", ""),
    "unknown memo": (b"h\x09", "KeyError"),
    "empty stack": (b"a", "IndexError"),
    "call of a number": (b"K\x01)R", "TypeError"),
    "persistent": (b"Pthing\n", "PERSID"),
    "extension": (b"\x82\x01", "EXT1"),
    "other encoding": (name("_codecs", "encode") + text("a") + text("rot13") + b"\x86R", "another way"),
}


@pytest.mark.parametrize("kind", BODY)
def test_odd_programs(tmp_path: Path, kind: str) -> None:
    body, message = BODY[kind]
    with pytest.raises(ValueError, match=message or None):
        read_bytes(b"\x80\x04" + body + b".", tmp_path)


def test_copies_without_end(tmp_path: Path) -> None:
    """Each call is 9 bytes long, and makes a new megabyte, or a new tuple of 100,000 values."""
    encoded = (
        b"("
        + text("a" * 1_000_000)
        + b"q\x01"
        + (name("_codecs", "encode") + b"h\x01" + text("latin1") + b"\x86R") * 99
    )
    items = b"(" + b"](" + b"K\x01" * 100_000 + b"eq\x01" + (name("builtins", "tuple") + b"h\x01\x85R") * 99
    tracemalloc.start()
    for body in (encoded, items):
        with pytest.raises(UnsafePickleError, match="more data than the file holds"):
            read_bytes(b"\x80\x04" + body + b"t.", tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_pieces_without_end(tmp_path: Path) -> None:
    content = {"p": np.ones(1000), "UnpackBigParamInfor@@": {"w": {"OriginShape": (-1,), "slices": ["p"] * 100}}}
    with pytest.raises(UnsafePickleError, match="more data than the file holds"):
        read_bytes(pickle.dumps(content), tmp_path)


def test_instructions_without_end(tmp_path: Path) -> None:
    with pytest.raises(UnsafePickleError, match="more than 1,000,000 instructions"):
        read_bytes(b"\x80\x04" + b"}" * 1_000_001 + b".", tmp_path)


def test_every_beginning_of_a_file_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps({"w": np.arange(20.0), "s": {"a": [1, (2, 3)]}}, 4)
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="."):
            read_bytes(whole[:length], tmp_path)


def test_damaged_files_raise_one_kind_of_error(tmp_path: Path) -> None:
    whole = pickle.dumps({"w": np.arange(20.0), "s": {"a": [1, (2, 3), np.float32(2)]}}, 2)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        content = np.frombuffer(whole, np.uint8).copy()
        content[rng.integers(len(whole), size=rng.integers(1, 4))] = rng.integers(256)
        with contextlib.suppress(ValueError):
            read_bytes(content.tobytes(), tmp_path)
