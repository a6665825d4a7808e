"""Finds the layer at which a converted model begins to differ, by converting less and less of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def find_first_difference(model: Any, is_wrong: Callable[[Any], bool]) -> str | None:
    """Returns "<operator> <output>" of a layer that is wrong although all its inputs are right; None if none is wrong.

    Args:
        model: an onnx.ModelProto.
        is_wrong: whether a model, truncated so that one tensor is its only output, is converted wrong.
    """
    nodes = list(model.graph.node)
    parents = _parents(nodes)
    known: dict[int, bool] = {}

    def wrong(index: int) -> bool:
        if index not in known:
            known[index] = is_wrong(truncated(model, nodes[index].output[0]))
        return known[index]

    names = [value.name for value in model.graph.output]
    last = next((i for i, node in enumerate(nodes) if node.output[0] in names and wrong(i)), None)
    if last is None:
        return None
    index = first_wrong(last, parents, wrong)
    return f"{nodes[index].op_type} {nodes[index].output[0]}"


def first_wrong(last: int, parents: Sequence[Sequence[int]], wrong: Callable[[int], bool]) -> int:
    """Returns a wrong node among `last`, which is wrong, and its ancestors, whose parents are all right.

    Args:
        last: index of a node.
        parents: for each node the indices of the nodes that it reads, all of them lower than its own.
        wrong: whether a node's output is wrong.
    """
    while True:
        line = _ancestors(last, parents)
        low, high = -1, len(line) - 1  # the node before the first counts as right; the last is wrong
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if wrong(line[middle]) else (middle, high)
        last = line[high]
        # nodes of other branches lie between a node and its parents
        earlier = next((parent for parent in parents[last] if wrong(parent)), None)
        if earlier is None:
            return last
        last = earlier


def truncated(model: Any, tensor: str) -> Any:
    """Returns a copy of an onnx.ModelProto, of fixed shapes, whose only output is `tensor`."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph
    value = next(v for v in (*inferred.value_info, *inferred.output) if v.name == tensor)
    part = onnx.ModelProto()
    part.CopyFrom(model)
    graph, nodes = part.graph, list(model.graph.node)
    made_by = {name: i for i, node in enumerate(nodes) for name in node.output}
    kept = [nodes[i] for i in _ancestors(made_by[tensor], _parents(nodes))]
    used = {name for node in kept for name in node.input}
    weights = [weight for weight in graph.initializer if weight.name in used]
    for field, values in (("node", kept), ("initializer", weights), ("output", [value]), ("value_info", [])):
        graph.ClearField(field)
        getattr(graph, field).extend(values)
    return part


def _parents(nodes: Sequence[Any]) -> list[list[int]]:
    made_by = {name: i for i, node in enumerate(nodes) for name in node.output}
    return [sorted({made_by[name] for name in node.input if name in made_by}) for node in nodes]


def _ancestors(last: int, parents: Sequence[Sequence[int]]) -> list[int]:
    """`last` and all nodes that it depends on, in their order."""
    found, waiting = {last}, [last]
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return sorted(found)
