"""Writes a plan as an ONNX model: QuantizeLinear and DequantizeLinear around the convolutions of the plan."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from ppdet.quantization.integer_gates import gate_nodes, integer_gates, parameter_node
from ppdet.quantization.network import drop_unread_constants, readers
from ppdet.quantization.plan import ConvPlan, Plan, Quantizer


def qdq_model(model: Any, plan: Plan) -> Any:
    """Returns a copy of a float onnx.ModelProto with the convolutions of the plan in INT8.

    What a convolution of the plan reads becomes DequantizeLinear(QuantizeLinear(x)) with the tensor's scale, in units
    of its channel scales. If the plan has a quantizer for what a convolution writes, the convolution's weights have
    its channel scales taken out, and DequantizeLinear puts them back.
    """
    import onnx

    written = onnx.ModelProto()
    written.CopyFrom(model)
    graph = written.graph
    writer = _Writer(graph, plan, integer_gates(graph, plan))
    nodes = [*writer.of_inputs(), *(made for node in graph.node for made in writer.nodes(node))]
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    return written


class _Writer:
    """Writes a graph's nodes again, in their order, with those of the quantization between them."""

    def __init__(self, graph: Any, plan: Plan, gates: dict[str, str]) -> None:
        self._graph, self._plan, self._gates = graph, plan, gates
        self._readers = readers(graph)
        self._shared: dict[bytes, str] = {}  # names of constants by their contents

    def of_inputs(self) -> list[Any]:
        """Returns the nodes that quantize what the graph is given."""
        read = [value.name for value in self._graph.input if value.name in self._plan.tensors]
        return [node for name in read for node in self._quantize_tensor(name)]

    def nodes(self, node: Any) -> list[Any]:
        """Returns what stands for a node of the float model."""
        conv = self._plan.convs.get(node.name)
        if node.output[0] in self._gates:
            return self._gate(node.input[0], node.output[0])
        made = [node] if conv is None else self._conv(node, conv)
        if conv is not None and conv.output in self._plan.tensors:
            return made + self._output(conv.output)
        read = [name for name in node.output if name in self._plan.tensors]
        return made + [each for name in read for each in self._quantize_tensor(name)]

    def _conv(self, node: Any, conv: ConvPlan) -> list[Any]:
        """Returns the nodes of a convolution without those that quantize what it writes."""
        tensors = self._plan.tensors
        output = tensors.get(conv.output)
        over = np.float32(1) if output is None else output.channel_scales
        scales = (conv.weight_scales / over).astype(np.float32)
        steps = scales * np.float32(tensors[conv.input].scale)
        bias = np.rint(conv.bias / over / steps).astype(np.int32)  # in float32, as in ppdet.modeling.fake_quant
        copied = type(node)()
        copied.CopyFrom(node)
        del copied.input[:], copied.output[:]
        copied.input.extend([f"{conv.input}/dequantized", f"{node.name}/weight", f"{node.name}/bias"])
        copied.output.append(conv.output if output is None else f"{conv.output}/float")
        return [
            parameter_node(f"{node.name}/weight", conv.weight, scales, self._constant),
            parameter_node(f"{node.name}/bias", bias, steps, self._constant),
            copied,
        ]

    def _output(self, name: str) -> list[Any]:
        """Returns the nodes between what a convolution writes, in units of channel scales, and its readers."""
        if name in self._gates.values():
            return self._integers(name)
        return [*self._integers(name), *self._in_units_of_the_model(name)]

    def _gate(self, source: str, name: str) -> list[Any]:
        """Returns the nodes of a hard swish in integers."""
        made = gate_nodes(source, f"{name}/float", self._plan.tensors[source], self._constant)
        made += self._integers(name)
        inputs = {conv.input for conv in self._plan.convs.values()}
        plain = [node for node in self._readers.get(name, []) if node.name not in self._plan.convs]
        if plain or name not in inputs or name in {output.name for output in self._graph.output}:
            made += self._in_units_of_the_model(name)
        return made

    def _in_units_of_the_model(self, name: str) -> list[Any]:
        """Returns the nodes that make the values of a tensor out of <name>/quantized."""
        if self._plan.tensors[name].is_even:
            return [self._with_steps("DequantizeLinear", f"{name}/quantized", name, name)]
        return [
            self._unscaled("DequantizeLinear", f"{name}/quantized", f"{name}/steps", name),
            self._by_steps("Mul", f"{name}/steps", name, name),
        ]

    def _integers(self, name: str) -> list[Any]:
        """Returns the nodes that quantize <name>/float, which is in units of channel scales."""
        linear = functools.partial(self._linear, quantizer=self._plan.tensors[name], per_channel=False)
        return [
            linear("QuantizeLinear", f"{name}/float", f"{name}/quantized"),
            linear("DequantizeLinear", f"{name}/quantized", f"{name}/dequantized"),
        ]

    def _quantize_tensor(self, name: str) -> list[Any]:
        _, last = self._integers(name)
        if self._plan.rules.outputs and not self._plan.tensors[name].is_even:
            # the same integers as with a scale per channel, which takes ONNX Runtime 50 times as long
            divided = self._by_steps("Div", name, f"{name}/steps", name)
            return [divided, self._unscaled("QuantizeLinear", f"{name}/steps", f"{name}/quantized", name), last]
        return [self._with_steps("QuantizeLinear", name, f"{name}/quantized", name), last]

    def _by_steps(self, operator: str, source: str, target: str, name: str) -> Any:
        """Returns the node that divides by the steps of the tensor `name`, or multiplies with them."""
        from onnx import helper

        steps = self._constant(self._plan.tensors[name].steps.reshape(1, -1, 1, 1))
        return helper.make_node(operator, [source, steps], [target], f"{target}/{operator}")

    def _unscaled(self, operator: str, source: str, target: str, name: str) -> Any:
        """Returns a node whose float values are integers less the zero point."""
        unit = replace(self._plan.tensors[name], scale=1.0)
        return self._linear(operator, source, target, unit, per_channel=False)

    def _with_steps(self, operator: str, source: str, target: str, name: str) -> Any:
        """Returns a node with a step for each channel of the tensor `name`, or with one if they are equal."""
        return self._linear(operator, source, target, self._plan.tensors[name], per_channel=True)

    def _linear(self, operator: str, source: str, target: str, quantizer: Quantizer, *, per_channel: bool) -> Any:
        from onnx import helper

        steps = quantizer.steps if per_channel else np.array([quantizer.scale], np.float32)
        if len(set(steps.tolist())) == 1:
            steps = steps[0].reshape(())
        zeros = np.full(steps.shape, quantizer.zero_point, np.int8 if quantizer.signed else np.uint8)
        inputs = [source, self._constant(steps), self._constant(zeros)]
        return helper.make_node(operator, inputs, [target], f"{target}/{operator}", axis=1 if steps.ndim else None)

    def _constant(self, value: np.ndarray) -> str:
        """Add an initializer, once for equal values, and return its name."""
        from onnx import numpy_helper

        key = value.dtype.char.encode() + str(value.shape).encode() + value.tobytes()
        if key not in self._shared:
            self._shared[key] = f"quantization/{len(self._shared)}"
            self._graph.initializer.append(numpy_helper.from_array(value, self._shared[key]))
        return self._shared[key]


def _drop_unused(graph: Any) -> None:
    """Remove what nothing reads: DequantizeLinear nodes, which would be computed, and initializers."""
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    nodes = [node for node in graph.node if node.op_type != "DequantizeLinear" or node.output[0] in used]
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unread_constants(graph)
