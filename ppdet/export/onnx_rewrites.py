"""Rewrites of an onnx.GraphProto, in place, into operators that runtimes and converters handle best."""

from __future__ import annotations

from typing import Any

import numpy as np

from ppdet.modeling.layers import LEAKY_SLOPE


def tidy(graph: Any, opset: int) -> None:
    """Write upsampling as Resize, hard swish as one operator (from opset 14 on) and the average of bins channels first.

    Nodes without effect are dropped.
    """
    _upsample_with_resize(graph)
    _multiply_and_sum(graph)
    _average_channels_first(graph)
    if opset >= 14:
        _join_hard_swish(graph)
    _drop_dead_nodes(graph)


def set_leaky_slopes(graph: Any) -> None:
    """Set the slope of each LeakyRelu to that of our layers. paddle2onnx for Paddle 3 leaves it undefined."""
    from onnx import helper

    for node in graph.node:
        if node.op_type == "LeakyRelu":
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("alpha", LEAKY_SLOPE))


def store_half(graph: Any) -> None:
    """Store each float32 weight with two or more dimensions as float16, followed by a Cast.

    Runtimes fold the Cast into the weight when they load the file.
    """
    from onnx import helper, numpy_helper

    casts = []
    for tensor in graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype == np.float32 and value.ndim >= 2:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), f"{name}/half"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], f"{name}/cast", to=1))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _upsample_with_resize(graph: Any) -> None:
    """Replace reshape to six dimensions, expand and reshape back (see layers.upsample_to) by a nearest Resize.

    Few converters for small devices support tensors of six dimensions; all support Resize.
    """
    from onnx import helper, numpy_helper

    made_by = {name: node for node in graph.node for name in node.output}
    read_by = {name: node for node in graph.node for name in node.input}
    constants = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "upsampling"))
    for node in graph.node:
        widen = made_by.get(node.input[0]) if node.op_type == "Expand" else None
        if widen is None or widen.op_type != "Reshape" or constants.get(widen.input[1]) != [6]:
            continue
        narrow = read_by[node.output[0]]
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        inputs = [widen.input[0], "", "upsampling"]
        narrow.CopyFrom(helper.make_node("Resize", inputs, narrow.output, f"upsample/{narrow.output[0]}", **nearest))


def _multiply_and_sum(graph: Any) -> None:
    """Replace the matrix product of distance distributions and bins by Mul and ReduceSum.

    MNN converts the product and then fails to run it.
    """
    from onnx import helper, numpy_helper

    constants = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for i, node in reversed(list(enumerate(graph.node))):
        if node.op_type != "MatMul" or len(constants.get(node.input[1], ())) != 1:
            continue
        products, axis = f"{node.output[0]}/products", f"{node.output[0]}/axis"
        graph.initializer.append(numpy_helper.from_array(np.array([-1], np.int64), axis))
        total = helper.make_node("ReduceSum", [products, axis], node.output, f"{node.name}/sum", keepdims=0)
        node.CopyFrom(helper.make_node("Mul", node.input, [products], node.name))
        graph.node.insert(i + 1, total)


_AVERAGE_LAST = ["ReduceSum", "Mul", "Softmax", "Transpose"]  # from the last to the first


def _average_channels_first(graph: Any) -> None:
    """Move the Transpose before Softmax, Mul with bins and ReduceSum behind them.

    Runtimes then compute along the axis of the points, with full vectors. Along the bins, of which there are 8, the
    three take 2 % more of the time of XS-320.
    """
    from onnx import helper, numpy_helper

    made_by = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for i, total in reversed(list(enumerate(graph.node))):
        chain = _chain(total, made_by, len(_AVERAGE_LAST))
        if [node.op_type for node in chain] != _AVERAGE_LAST:
            continue
        _, product, softmax, transpose = chain
        *order, axis = helper.get_node_attr_value(transpose, "perm")
        output = total.output[0]
        bins, reduced, shares, products, averages = (
            f"{output}/{part}" for part in ("bins", "bin_axis", "shares", "parts", "averages")
        )
        column = numpy_helper.to_array(constants[product.input[1]]).reshape([-1] + [1] * (len(order) - axis))
        graph.initializer.append(numpy_helper.from_array(column, bins))
        graph.initializer.append(numpy_helper.from_array(np.array([axis], np.int64), reduced))
        softmax.CopyFrom(helper.make_node("Softmax", [transpose.input[0]], [shares], softmax.name, axis=axis))
        product.CopyFrom(helper.make_node("Mul", [shares, bins], [products], product.name))
        total.CopyFrom(helper.make_node("ReduceSum", [products, reduced], [averages], total.name, keepdims=0))
        perm = [dim - (dim > axis) for dim in order]
        graph.node.insert(i + 1, helper.make_node("Transpose", [averages], [output], f"{output}/transpose", perm=perm))


def _chain(last: Any, made_by: dict[str, Any], length: int) -> list[Any]:
    """At most `length` nodes: the last one, the one that makes its first input, and so on."""
    chain = [last]
    while len(chain) < length and chain[-1].input and chain[-1].input[0] in made_by:
        chain.append(made_by[chain[-1].input[0]])
    return chain


def _join_hard_swish(graph: Any) -> None:
    """Replace x * HardSigmoid(x) by HardSwish(x), which OpenVINO computes in a third of the time."""
    from onnx import helper

    gates = {node.output[0]: node for node in graph.node if node.op_type == "HardSigmoid"}
    for node in graph.node:
        if node.op_type != "Mul":
            continue
        for name, x in (node.input, reversed(node.input)):
            if name in gates and gates[name].input[0] == x and _is_hard_swish_gate(gates[name]):
                node.CopyFrom(helper.make_node("HardSwish", [x], node.output, node.name or node.output[0]))
                break


def _is_hard_swish_gate(node: Any) -> bool:
    """Whether a HardSigmoid is the gate of a hard swish: alpha 1/6, beta 1/2."""
    factors = {attribute.name: attribute.f for attribute in node.attribute}
    return bool(np.allclose([factors.get("alpha", 0.2), factors.get("beta", 0.5)], [1 / 6, 0.5], rtol=1e-5))


def _drop_dead_nodes(graph: Any) -> None:
    """Remove nodes and constants that no output depends on."""
    needed = {output.name for output in graph.output}
    for node in reversed(list(graph.node)):  # a node comes after the nodes that it reads
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in needed]:
        graph.initializer.remove(tensor)
