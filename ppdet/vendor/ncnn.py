"""ncnn files, converted from ONNX by pnnx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import require_file, run_worker


def convert_ncnn(job: Conversion) -> None:
    """Write `job.target` (.param) and the .bin beside it, with the ONNX file's names.

    Raises UserError if the converter fails.
    """
    import onnx

    model = onnx.load(str(job.source))
    reductions_as_products(model)
    inputs, outputs = ([value.name for value in values] for values in (model.graph.input, model.graph.output))
    shape = [side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim]
    with temporary_folder() as temp:
        onnx.save(model, str(temp / "model.onnx"))
        run_worker("ncnn", {"source": str(temp / "model.onnx"), "shape": shape, "fp16": job.fp16}, job.tool_env)
        param, weights = temp / "model.ncnn.param", temp / "model.ncnn.bin"
        require_file("ncnn", weights)
        job.target.write_text(with_names(param.read_text(encoding="utf-8"), inputs, outputs), encoding="utf-8")
        job.target.with_suffix(".bin").write_bytes(weights.read_bytes())


def with_names(param: str, inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """Returns the text of a .param file with these names of inputs and outputs; pnnx calls them in0, out0 and so on.

    ncnn gives outputs in the order in which layers write them. If that is another one, layers that do nothing, Noop,
    write them at the end.
    """
    own = [f"out{i}" for i in range(len(outputs))]
    names = {f"in{i}": name for i, name in enumerate(inputs)}
    lines = [line.split() for line in param.splitlines()]
    if [word for words in lines for word in words[4 : _end(words)] if word in own] == own:
        names |= zip(own, outputs, strict=True)
    else:
        lines += [["Noop", name, "1", "1", source, name] for source, name in zip(own, outputs, strict=True)]
        lines[1] = [str(int(count) + len(outputs)) for count in lines[1]]
    return "".join(" ".join(_renamed(words, names)) + "\n" for words in lines)


def _renamed(words: list[str], names: dict[str, str]) -> list[str]:
    """The words of a layer with other names of blobs."""
    end = _end(words)
    return [*words[:4], *(names.get(word, word) for word in words[4:end]), *words[end:]]


def _end(words: list[str]) -> int:
    """The place of a layer's first option, behind its type, name, numbers of inputs and outputs, and their names."""
    return 4 + int(words[2]) + int(words[3]) if len(words) >= 4 else len(words)  # the first lines have fewer words


def reductions_as_products(model: Any) -> None:
    """Replace, in an onnx.ModelProto of fixed shapes, each sum or mean over one axis by a product with a vector.

    pnnx forgets the axis, so that nothing is added up (benchmarks/vendor_faults.py shows it).
    """
    import onnx

    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes: list[Any] = []
    for node in graph.node:
        axis = _only_axis(node, constants)
        if axis is None:
            nodes.append(node)
        else:
            nodes += _product(node, shapes[node.input[0]], shapes[node.output[0]], axis, graph.initializer)
    del graph.node[:]
    graph.node.extend(nodes)


def _only_axis(node: Any, constants: Mapping[str, np.ndarray]) -> int | None:
    """The axis of a sum or mean over one; None for other nodes."""
    if node.op_type not in ("ReduceSum", "ReduceMean"):
        return None
    given = [list(each.ints) for each in node.attribute if each.name == "axes"]  # an input in newer operator sets
    given += [constants[name].tolist() for name in node.input[1:] if name in constants]
    return int(given[0][0]) if given and len(given[0]) == 1 else None


def _product(node: Any, shape: list[int], result: list[int], axis: int, weights: Any) -> list[Any]:
    """Nodes that add up or average `axis` of the input of `node`, of `shape`, to an array of the shape `result`."""
    from onnx import helper, numpy_helper

    source, name = node.input[0], node.output[0]
    factors, sides, product = (f"{name}/{part}" for part in ("factors", "shape", "product"))
    factor = 1 / shape[axis] if node.op_type == "ReduceMean" else 1
    weights.append(numpy_helper.from_array(np.full((shape[axis], 1), factor, np.float32), factors))
    weights.append(numpy_helper.from_array(np.array(result, np.int64), sides))
    order = [side for side in range(len(shape)) if side != axis % len(shape)] + [axis % len(shape)]
    turned = [] if order == sorted(order) else [helper.make_node("Transpose", [source], [f"{name}/turned"], perm=order)]
    return [
        *turned,
        helper.make_node("MatMul", [f"{name}/turned" if turned else source, factors], [product]),
        helper.make_node("Reshape", [product, sides], [name]),
    ]
