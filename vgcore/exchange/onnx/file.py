"""A graph of ONNX as it is read: nodes, who uses what, and constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(eq=False)
class Node:
    """One node: its operator, inputs and outputs by name ("" where one is left out), and attributes."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]

    def lacks(self, what: str) -> NotImplementedError:
        """The error that names the node and what it lacks."""
        return NotImplementedError(f"{self.name or self.outputs[0]} ({self.kind}): {what}")

    def input(self, place: int) -> str:
        """The name of an input; "" where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value


@dataclass
class Graph:
    """A graph with one input and one output.

    Attributes
    ----------
    arrays : dict of str to ndarray
        Its constants.
    input, output : str
    sizes : tuple of int or None
        Of the input, the number of samples among them.
    """

    opset: int
    arrays: dict[str, Array]
    input: str
    output: str
    sizes: tuple[int | None, ...]
    double: bool
    makers: dict[str, Node] = field(default_factory=dict)
    _uses: dict[str, list[Node]] = field(default_factory=dict)

    def uses(self, tensor: str) -> list[Node]:
        """The nodes that read a tensor, but for those that ask for its shape alone."""
        return [node for node in self._uses.get(tensor, []) if node.kind != "Shape"]

    def constant(self, node: Node, place: int) -> Array | None:
        """An input that must be a constant; None where it is left out."""
        name = node.input(place)
        if not name:
            return None
        if name not in self.arrays:
            raise node.lacks("vgcore's parameters are constants, and its input is one")
        return self.arrays[name]

    def moving(self, node: Node) -> list[str]:
        """The inputs of a node that are no constants."""
        return [name for name in node.inputs if name and name not in self.arrays]

    def add(self, node: Node) -> None:
        """Take in a node."""
        for name in node.inputs:
            if name:
                self._uses.setdefault(name, []).append(node)
        for name in node.outputs:
            self.makers[name] = node


def read(onnx: Any, path: str) -> Graph:
    """The graph of a file; ValueError if it is none of ONNX."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"path: expected an ONNX file, got {path!r}: {error}") from error
    graph = model.graph
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in arrays]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise NotImplementedError(
            f"{path}: a model has one input and one output here; got {len(inputs)} and {len(graph.output)}"
        )
    kind = inputs[0].type.tensor_type
    sizes = tuple(each.dim_value or None for each in kind.shape.dim)
    versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    double = onnx.TensorProto.DOUBLE
    made = Graph(
        max(versions, default=1),
        arrays,
        inputs[0].name,
        graph.output[0].name,
        sizes,
        kind.elem_type == double or any(each.data_type == double for each in graph.initializer),
    )
    same: dict[str, str] = {}
    for each in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in each.attribute}
        names = [same.get(name, name) for name in each.input]
        node = Node(each.op_type, each.name, names, [*each.output], attributes)
        if each.domain not in ("", "ai.onnx"):
            raise node.lacks(f"vgcore has no counterpart of the domain {each.domain!r}")
        if node.kind == "Constant":
            made.arrays[node.outputs[0]] = _constant(onnx, node)
        elif node.kind == "Identity" and names[0] in made.arrays:
            made.arrays[node.outputs[0]] = made.arrays[names[0]]
        elif node.kind == "Identity":
            same[node.outputs[0]] = names[0]
        else:
            made.add(node)
    made.output = same.get(made.output, made.output)
    return made


def _constant(onnx: Any, node: Node) -> Array:
    for name, value in node.attributes.items():
        if name == "value":
            array: Array = onnx.numpy_helper.to_array(value)
            return array
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    raise node.lacks("vgcore has no counterpart of such a constant")
