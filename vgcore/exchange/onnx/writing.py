"""The graph of an ONNX file while it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vgcore.exchange.onnx import operators
from vgcore.layers.base import Layer, Shape
from vgcore.model import Sequential

Writer = Callable[["Writing", Any, str], None]
"""Writes a layer under a name."""


class Writing:
    """The graph so far.

    Attributes
    ----------
    tensor, axes : str
        What the next node reads, and its axes by letters: n, c, h, w, t.
    shape : tuple
        Of a sample of it, as vgcore has it.
    """

    def __init__(self, onnx: Any, model: Sequential, writers: Mapping[type[Layer], Writer]) -> None:
        self.onnx = onnx
        self._writers = writers
        self.dtype = model.dtype
        self.shape: Shape = model.input_shape
        self.tensor = "input"
        self._nodes: list[Any] = []
        self._arrays: dict[str, Any] = {}
        integers = model.layers[0].vocabulary is not None
        self.axes = operators.axes_of(self.shape, integers)
        kind = np.dtype(np.int64) if integers else self.dtype
        self._input = self._value("input", kind, self.shape)

    def write(self, layer: Layer, prefix: str = "") -> None:
        """Write a layer, under its name behind a prefix."""
        name = f"{prefix}{layer.name}"
        writer = self._writers.get(type(layer))
        if writer is None:
            raise operators.lacks(name, layer, "it has no counterpart")
        writer(self, layer, name)
        self.shape = layer.output_shape(self.shape)

    def put(self, array: ArrayLike, name: str) -> str:
        """Have a constant in the graph: its name."""
        values = np.asarray(array)
        values = values if values.dtype == np.int64 else values.astype(self.dtype)
        name = self._free(name, self._arrays)
        self._arrays[name] = self.onnx.numpy_helper.from_array(np.array(values, order="C"), name)
        return name

    def node(self, kind: str, name: str, *more: str, outputs: int = 1, **attributes: Any) -> str:
        """Add a node that reads the tensor, and be at its first output."""
        self.tensor = self.free_node(kind, name, self.tensor, *more, outputs=outputs, **attributes)
        return self.tensor

    def free_node(
        self, kind: str, name: str, *inputs: str, outputs: int = 1, **attributes: Any
    ) -> str:
        """Add a node that reads ``inputs``; the name of its last output, others before have none."""
        name = self._free(name, {node.name for node in self._nodes})
        given = [""] * (outputs - 1) + [f"{name}:out"]
        make = self.onnx.helper.make_node
        self._nodes.append(make(kind, [*inputs], given, name=name, **attributes))
        return given[-1]

    def turn(self, axes: str) -> None:
        """Have the axes in another order."""
        if axes != self.axes:
            self.node("Transpose", f"to_{axes}", perm=[self.axes.index(each) for each in axes])
            self.axes = axes

    def content(self) -> bytes:
        """The file."""
        helper = self.onnx.helper
        self.turn(operators.axes_of(self.shape))
        self.node("Identity", "output")
        self._nodes[-1].output[0] = "output"
        outputs = [self._value("output", self.dtype, self.shape)]
        graph = helper.make_graph(
            self._nodes, "vgcore", [self._input], outputs, [*self._arrays.values()]
        )
        opsets = [helper.make_opsetid("", operators.OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=operators.IR_VERSION, producer_name="vgcore"
        )
        if model.ByteSize() >= 2**31:
            raise ValueError("model: expected one of less than 2 GB, which an ONNX file can hold")
        self.onnx.checker.check_model(model, full_check=True)
        content: bytes = model.SerializeToString()
        return content

    def _value(self, name: str, dtype: np.dtype[Any], shape: Shape) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(dtype)
        sizes = ["samples", *("timesteps" if size is None else int(size) for size in shape)]
        return self.onnx.helper.make_tensor_value_info(name, kind, sizes)

    def _free(self, name: str, taken: Any) -> str:
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name}_{number}"
        return free
