"""ncnn's files are read and written as they are, and its layers in INT8 have the format that ncnn reads."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.vendor.ncnn_files import as_int8, quantize_layer, read_layers, write_layers

PARAM = """7767517
4 5
Input image 0 1 image
Split split 1 2 image a b
Convolution conv 1 1 a c 0=2 1=1 5=1 6=6 9=2 -23310=1,0.1
InnerProduct linear 1 1 c y 0=3 2=6
"""
WEIGHTS = np.arange(6, dtype="<f4"), np.array([7, 8], "<f4"), np.arange(6, dtype="<f4")[::-1]
FLAG = bytes(4)
BIN = FLAG + WEIGHTS[0].tobytes() + WEIGHTS[1].tobytes() + FLAG + WEIGHTS[2].tobytes()


def test_files_are_written_as_they_were_read() -> None:
    layers = read_layers(PARAM, BIN)
    conv, linear = layers[2:]
    assert conv.options == {"0": "2", "1": "1", "5": "1", "6": "6", "9": "2", "-23310": "1,0.1"}
    assert (conv.inputs, conv.outputs) == (("a",), ("c",))
    for found, expected in zip((*conv.arrays, *linear.arrays), WEIGHTS, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [layer.multiplies for layer in layers] == [False, False, True, True]
    assert write_layers(layers) == (PARAM, BIN)


def test_layers_in_int8() -> None:
    """A linear layer gets a bias; integers have a tag before them, and zeros behind them up to four bytes."""
    *_, linear = read_layers(PARAM, BIN)
    weight, bias = np.array([-127, 1, 2, 3, 4, 127], np.int8), np.array([1, 2, 3], np.float32)
    int8 = as_int8(linear, weight, bias, np.array([0.5, 0.25, 0.125], np.float32), 0.0625)
    made = quantize_layer("c", "integers", np.array([0.5, 4], np.float32))
    param, weights = write_layers([made, int8])
    assert param.splitlines()[1:] == [
        "2 2",
        "Quantize integers 1 1 c integers 0=2",
        "InnerProduct linear 1 1 c y 0=3 2=6 1=1 8=1",
    ]
    floats = np.array([2, 0.25], "<f4"), np.array([1, 2, 3, 2, 4, 8, 16], "<f4")
    assert weights == floats[0].tobytes() + b"\x38\x4b\x0d\x00" + weight.tobytes() + bytes(2) + floats[1].tobytes()


def test_constants_have_no_flag() -> None:
    """5 x 2 and 4 x 1 x 3 numbers between layers of weights."""
    constants = "MemoryData a 0 1 a 0=5 1=2\nMemoryData b 0 1 b 0=4 1=1 2=3\n"
    param = PARAM.replace("4 5", "6 7").replace("InnerProduct", f"{constants}InnerProduct")
    numbers = np.arange(22, dtype="<f4").tobytes()
    content = BIN[:36] + numbers + BIN[36:]
    layers = read_layers(param, content)
    assert [len(layer.arrays[0]) for layer in layers[3:]] == [10, 12, 6]
    assert write_layers(layers) == (param, content)


@pytest.mark.parametrize("weights", [BIN[:-4], BIN + bytes(4)])
def test_weights_of_another_size(weights) -> None:
    expected = rf"^ncnn: found {len(weights)} bytes of weights; expected 64 in float32, for layers of the kinds Conv"
    with pytest.raises(UserError, match=expected):
        read_layers(PARAM, weights)
