"""MNN's file of quantization parameters, as a protobuf message."""

from __future__ import annotations

import struct

import pytest

from ppdet.vendor.mnn_parameters import Int8Conv, Steps, encoded


def floats(*values: float) -> bytes:
    return b"".join(b"\x1d" + struct.pack("<f", value) for value in values)


def test_every_name_has_a_layer() -> None:
    conv = Int8Conv(("a", "bc"), Steps(0.5, 0), Steps(0.25, -1), [2.0, 3.0])
    source = b"\x0a\x01-" + floats(0.5) + b"\x20\x00"
    weight = b"\x0a\x01-" + floats(2, 3)
    minus_one = b"\xff" * 9 + b"\x01"  # as 64 bits
    layers = b""
    for name in (b"a", b"bc"):
        target = b"\x0a" + bytes([len(name)]) + name + floats(0.25) + b"\x20" + minus_one
        fields = ((b"\x0a", source), (b"\x12", weight), (b"\x1a", target))
        layer = b"".join(key + bytes([len(content)]) + content for key, content in fields)
        layers += b"\x22" + bytes([len(layer)]) + layer
    assert len(layers) < 128
    algorithm = b"\x12" + bytes([len(layers)]) + layers
    assert encoded([conv]) == b"\x0a\x050.0.0" + b"\x12" + bytes([len(algorithm)]) + algorithm


def test_protobuf_reads_it() -> None:
    descriptor_pool = pytest.importorskip("google.protobuf.descriptor_pool")
    messages = pytest.importorskip("google.protobuf.message_factory")
    if not hasattr(messages, "GetMessageClass"):
        pytest.skip("an older protobuf")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_schema())
    pipeline = messages.GetMessageClass(pool.FindMessageTypeByName("Pipeline"))()
    scales = [0.001 * i for i in range(1, 300)]  # a layer of more than 127 bytes
    pipeline.ParseFromString(encoded([Int8Conv(("y",), Steps(1e-3, -128), Steps(2.0, 127), scales)]))
    (layer,) = pipeline.algo[0].quant_params.layer
    assert list(layer.weight[0].scales) == pytest.approx(scales)
    assert (layer.input[0].scales[0], layer.input[0].zero_point) == (pytest.approx(1e-3), -128)
    assert (layer.output[0].name, layer.output[0].scales[0], layer.output[0].zero_point) == ("y", 2.0, 127)


def _schema():
    """The part of MNN_compression.proto that is written."""
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="part.proto", syntax="proto2")
    kinds = {"string": 9, "float": 2, "int32": 5}
    for message, fields in {
        "Tensor": {"name": (1, "string", 1), "scales": (3, "float", 3), "zero_point": (4, "int32", 1)},
        "Layer": {"input": (1, "Tensor", 3), "weight": (2, "Tensor", 3), "output": (3, "Tensor", 3)},
        "QuantizeParams": {"layer": (4, "Layer", 3)},
        "Algo": {"quant_params": (2, "QuantizeParams", 1)},
        "Pipeline": {"version": (1, "string", 2), "algo": (2, "Algo", 3)},
    }.items():
        added = file.message_type.add(name=message)
        for name, (number, kind, label) in fields.items():
            options = {"type": kinds[kind]} if kind in kinds else {"type": 11, "type_name": f".{kind}"}
            added.field.add(name=name, number=number, label=label, **options)
    return file
