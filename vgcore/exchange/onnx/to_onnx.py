"""vgcore's models as files of ONNX, which runtimes of many languages and devices read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _files, _validate
from vgcore._files import Path
from vgcore.exchange.onnx import operators, writers
from vgcore.layers.base import Layer, Shape
from vgcore.model import Sequential


def to_onnx(model: Sequential, path: Path) -> None:
    """Write a model as an ONNX file of opset 21, for prediction, in the model's dtype.

    Its one input is "input", its one output "output"; the number of samples is open, and that of timesteps
    where the model leaves it open. What acts while training alone is left out, but for a plain `Dropout`,
    which ONNX has, too.

    Parameters
    ----------
    model : Sequential
    path : str, bytes or os.PathLike
        A file that is there is replaced as a whole.

    Raises
    ------
    NotImplementedError
        If a layer or an option has no counterpart in ONNX: it is named, and what ONNX lacks.
    OSError
        If it cannot be written; the file that was there is as it was.
    TypeError, ValueError
        If it is no model of vgcore, ``path`` is no path, or the model has more than 2 GB.
    ModuleNotFoundError
        If onnx is not installed.

    Notes
    -----
    Options of ONNX's operators, such as an epsilon or a slope, are single precision in float64, too.
    ``lengths`` have no place in the file: sequences of one call are of one length.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a vgcore.Sequential, got {_validate.kind(model)}")
    name = _validate.path("path", path)
    writing = Writing(operators.library("to_onnx"), model)
    for layer in model.layers:
        writing.write(layer)
    content = writing.content()
    _files.replace(name, lambda file: file.write(content))


class Writing:
    """The graph so far.

    Attributes
    ----------
    tensor, axes : str
        What the next node reads, and its axes by letters: n, c, h, w, t.
    shape : tuple
        Of a sample of it, as vgcore has it.
    """

    def __init__(self, onnx: Any, model: Sequential) -> None:
        self.onnx = onnx
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
        writer = writers.WRITERS.get(type(layer))
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
