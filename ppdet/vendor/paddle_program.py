"""Writes an ONNX model as a program of Paddle 2 (.pdmodel and .pdiparams), whose format Paddle Lite reads.

Paddle 3 cannot record such a program any more: some of its functions know only the new format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle.base import core, framework

from ppdet.core.errors import UserError
from ppdet.vendor.paddle_operators import OPERATORS

# type, inputs by parameter, parameter and name of the output, options
Operator = tuple[str, dict[str, list[str]], tuple[str, str], dict[str, Any]]
_FLOAT32 = 5  # in Paddle's description of tensors


def write_program(model: Any, file: Path) -> None:
    """Write an onnx.ModelProto of fixed shapes as `file` (.pdmodel), with the weights beside it as .pdiparams.

    Raises:
        UserError: the model has an operator that is not among those of PicoDet.
    """
    from onnx import numpy_helper

    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    with _old_format():
        program = paddle.static.Program()
        block = program.global_block()
        shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
        used = _append_all(block, model, weights, shape)
        description = program.desc.serialize_to_string()
    file.write_bytes(description)
    parameters = (_serialized(np.ascontiguousarray(weights[name], np.float32)) for name in sorted(used))
    file.with_suffix(".pdiparams").write_bytes(b"".join(parameters))


@contextmanager
def _old_format() -> Iterator[None]:
    """Context in which operators go to programs in the format of Paddle 2, which itself has no other."""
    guard = getattr(paddle.pir_utils, "OldIrGuard", nullcontext)
    with guard(), framework._dygraph_guard(None):
        yield


def _append_all(block: Any, model: Any, weights: Mapping[str, np.ndarray], shape: list[int]) -> set[str]:
    """Append the whole graph, with the operators that feed and fetch, and return the names of the weights it reads."""
    kinds, used = core.VarDesc.VarType, set()
    block.create_var(name="feed", type=kinds.FEED_MINIBATCH, persistable=True)
    block.create_var(name="fetch", type=kinds.FETCH_LIST, persistable=True)
    image = block.create_var(name=model.graph.input[0].name, shape=shape, dtype="float32", need_check_feed=True)
    block.append_op(type="feed", inputs={"X": ["feed"]}, outputs={"Out": [image]}, attrs={"col": 0})
    for node in model.graph.node:
        for kind, inputs, (output, name), options in _operators(node, weights):
            for read in (read for names in inputs.values() for read in names):
                if read in weights and read not in used:
                    used.add(read)
                    block.create_var(name=read, shape=weights[read].shape, dtype="float32", persistable=True)
            outputs = {output: [block.create_var(name=name, dtype="float32")]}
            if kind in ("reshape2", "transpose2"):
                outputs["XShape"] = [block.create_var(name=f"{name}/shape", dtype="float32")]
            block.append_op(type=kind, inputs=inputs, outputs=outputs, attrs=options)
    for i, value in enumerate(model.graph.output):
        block.append_op(type="fetch", inputs={"X": [value.name]}, outputs={"Out": ["fetch"]}, attrs={"col": i})
    return used


def _operators(node: Any, weights: Mapping[str, np.ndarray]) -> Iterator[Operator]:
    """The operators of Paddle for an ONNX node; a convolution's bias is added by one of its own."""
    from onnx import helper

    if node.op_type not in OPERATORS:
        raise UserError(f"export.format: paddle_lite's writer has no {node.op_type}; expected the operators of PicoDet")
    options: dict[Any, Any] = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    options |= {i: weights[name] for i, name in enumerate(node.input) if name in weights}
    kind, inputs, output, attributes = OPERATORS[node.op_type](list(node.input), options)
    name = node.output[0]
    if node.op_type == "Conv" and len(node.input) == 3:
        yield kind, inputs, (output, f"{name}/product"), attributes
        kind, inputs, output = "elementwise_add", {"X": [f"{name}/product"], "Y": [node.input[2]]}, "Out"
        attributes = {"axis": 1}
    yield kind, inputs, (output, name), attributes


def _serialized(array: np.ndarray) -> bytes:
    """A weight as Paddle 2 stores it: versions, a description (type and sizes, as protobuf), and the values."""
    description = bytes([0x08, _FLOAT32]) + b"".join(b"\x10" + _varint(side) for side in array.shape)
    return struct.pack("<IQIi", 0, 0, 0, len(description)) + description + array.tobytes()


def _varint(value: int) -> bytes:
    """A number in protobuf's encoding."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])
