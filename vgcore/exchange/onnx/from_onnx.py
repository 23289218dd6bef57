"""Files of ONNX as vgcore's models: their nodes are read, and their constants copied."""

from __future__ import annotations

from vgcore import _validate
from vgcore._files import Path
from vgcore.exchange.onnx import file, operators
from vgcore.exchange.onnx.axes import input_axes
from vgcore.exchange.onnx.file import Graph
from vgcore.exchange.onnx.patterns import PATTERNS
from vgcore.exchange.onnx.readers import READERS
from vgcore.exchange.onnx.reading import Place, Reading
from vgcore.layers.base import Shape
from vgcore.model import Sequential, making


def from_onnx(path: Path, *, input_shape: int | Shape | None = None) -> Sequential:
    """A model of an ONNX file: layers one after the other, and blocks of a sum or of branches side by side.

    Files that `to_onnx` wrote come back with all layers but those that act while training alone; those of
    other writers where their nodes are of the same kinds, of opset 7 and later.

    Parameters
    ----------
    path : str, bytes or os.PathLike
    input_shape : int or tuple, optional
        Shape of one sample, as vgcore has it, where the file leaves more open than the number of samples and
        of timesteps.

    Returns
    -------
    Sequential
        In float64 if the file is in double precision. Axes are vgcore's: sequences (n, time, features), also
        where the file has time first or behind channels; images (n, channels, height, width).

    Raises
    ------
    NotImplementedError
        If a node or an option has no counterpart here: it is named, and what it lacks.
    FileNotFoundError, OSError
        If there is no such file, or it cannot be read.
    TypeError, ValueError
        If ``path`` is no path, or the file is no ONNX file.
    ModuleNotFoundError
        If onnx is not installed.
    """
    name = _validate.path("path", path)
    graph = file.read(operators.library("from_onnx"), name)
    given = None if input_shape is None else making.shape(input_shape)
    axes = input_axes(graph)
    shape = _shape(graph, axes) if given is None else given
    reading = Reading(graph, READERS, PATTERNS)
    at = Place(graph.input, axes, shape)
    parts, end = reading.chain(at)
    if end is not None or not parts:
        raise NotImplementedError(
            f"{name}: vgcore has layers from the input to the output; got none"
        )
    if at.order is not None:
        raise NotImplementedError(
            f"{name}: the numbers of a flattened image lie in another order here; got them as outputs"
        )
    layers = [part.layer() for part in parts]
    model = Sequential(layers, input_shape=shape, dtype="float64" if graph.double else "float32")
    for layer, part in zip(layers, parts, strict=True):
        part.fill(layer)
    return model


def _shape(graph: Graph, axes: str) -> Shape:
    """The shape of a sample, as vgcore has it."""
    sizes = dict(zip(axes, graph.sizes, strict=True))
    order = "chw" if "h" in axes else "t" if axes == "nt" else "tc" if "t" in axes else "c"
    shape = tuple(sizes[each] for each in order)
    if any(size is None for size, each in zip(shape, order, strict=True) if each != "t"):
        raise ValueError(
            f"input_shape: expected one where the file leaves sizes open, {graph.sizes}"
        )
    return shape
