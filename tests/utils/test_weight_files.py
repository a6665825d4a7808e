"""Weight files by what they hold; tests/weights/test_load.py has more of their faults."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.utils.weight_files import not_weights, read_arrays


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"  <!DOCTYPE html>", "a web page"),
        (b'{"error": 404}', "JSON text"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"PK\x03\x04rest", "a zip archive, as PyTorch writes"),
        (b"\x80\x02}", None),
    ],
)
def test_files_that_hold_no_weights(tmp_path, content, kind) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not_weights(tmp_path / "file") == kind


def test_a_safetensors_file_may_begin_like_text(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"<rest of a length")
    assert not_weights(tmp_path / "file", "x.safetensors") is None


def test_what_paddle_saved(tmp_path) -> None:
    paddle.save({"a": paddle.arange(3, dtype="float32"), "n": 2, "list": [1.5, "x"]}, str(tmp_path / "a.pdopt"))
    found = read_arrays(tmp_path / "a.pdopt")
    np.testing.assert_array_equal(found.pop("a"), [0, 1, 2])
    assert found == {"n": 2, "list": [1.5, "x"]}


@pytest.mark.parametrize(("dtype", "expected"), [("F32", "<f4"), ("I64", "<i8"), ("BF16", "<u2"), ("BOOL", "?")])
def test_types_of_safetensors(tmp_path, dtype, expected) -> None:
    pytest.importorskip("safetensors")
    values = np.array([[1, 0]], expected)
    header = json.dumps({"x": {"dtype": dtype, "shape": [1, 2], "data_offsets": [0, values.nbytes]}}).encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + values.tobytes())
    (found,) = read_arrays(tmp_path / "x.safetensors").values()
    assert found.dtype == np.dtype(expected)
    np.testing.assert_array_equal(found, values)


def test_the_error_names_the_kind(tmp_path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 20)
    pytest.importorskip("safetensors")
    with pytest.raises(UserError, match=r"x\.safetensors: not a weight file or cut short"):
        read_arrays(tmp_path / "x.safetensors")
