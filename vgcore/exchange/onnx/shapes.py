"""How ONNX's operators are read that move numbers: axes, shapes, and what is chosen of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vgcore import layers as vg
from vgcore.exchange import channels
from vgcore.exchange.onnx import recurrent
from vgcore.exchange.onnx.file import Node
from vgcore.exchange.onnx.operators import axes_of
from vgcore.exchange.onnx.reading import Part, Place, Reading

Parts = list[Part]


def expect(node: Node, at: Place, axes: str) -> None:
    """Raise unless the axes are these."""
    if at.axes != axes:
        raise node.lacks(f"expected the axes {axes}, got {at.axes}")


def transpose(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    """Read other axes of the same numbers."""
    moved = node.attributes.get("perm", range(len(at.axes))[::-1])
    at.axes = "".join(at.axes[place] for place in moved)
    at.tensor = node.outputs[0]


def flatten(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    """Read one vector of each sample."""
    if node.attributes.get("axis", 1) != 1:
        raise node.lacks("vgcore flattens all but the samples, axis=1")
    _flattened(reading, node, at, parts)


def _flattened(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    if at.axes == "nc":
        at.tensor, at.ones = node.outputs[0], False
        return
    order = None
    ours, theirs = axes_of(at.shape)[1:], at.axes[1:]
    if ours != theirs:
        if {*ours} != {*theirs} or None in at.shape:
            raise node.lacks(f"vgcore flattens the axes n{ours} of known sizes, not n{theirs}")
        sizes = {each: size or 1 for each, size in zip(ours, at.shape, strict=True)}
        places = np.arange(math.prod(sizes.values())).reshape([sizes[each] for each in theirs])
        order = channels.different(places.transpose([theirs.index(each) for each in ours]))
    reading.add(Part(vg.Flatten, {}), at, node, parts)
    at.axes, at.order = "nc", order


def reshape(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    """Read another shape; of a cell's two sides that they stand beside each other."""
    given = reading.graph.constant(node, 1)
    wanted: list[int] = [*node.attributes["shape"]] if given is None else given.tolist()
    sides = at.axes.endswith("dc") and len(wanted) == len(at.axes) - 1
    if sides:
        at.axes, at.tensor = at.axes.replace("d", ""), node.outputs[0]
        return
    if None in at.shape:
        raise node.lacks(f"vgcore reshapes what has known sizes, not {at.shape}")
    before = [size or 1 for size in at.shape]
    count = math.prod(before)
    sizes = [
        before[place] if size == 0 and place < len(before) else size
        for place, size in enumerate(wanted[1:])
    ]
    known = math.prod(size for size in sizes if size != -1)
    target = tuple(count // max(known, 1) if size == -1 else size for size in sizes)
    if math.prod(target) != count or wanted[0] not in (-1, 0):
        raise node.lacks(
            f"vgcore keeps the samples apart; expected a shape of (-1, ...), got {wanted}"
        )
    if len(target) == 1:
        _flattened(reading, node, at, parts)
        return
    expect(node, at, axes_of(at.shape))
    reading.add(Part(vg.Reshape, {"shape": target}), at, node, parts)
    at.axes, at.ones = axes_of(target), False


def squeeze(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    """Read that an axis of one place goes."""
    if at.ones:
        at.ones = False
    elif [at.axes[place] for place in reduced(reading, node)] == ["d"] and recurrent.is_single(
        parts
    ):
        at.axes = at.axes.replace("d", "")
    else:
        raise node.lacks("vgcore has no axes of size 1 to take away")
    at.tensor = node.outputs[0]


def gather(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    """Read a table of vectors, or the last timestep."""
    axis = node.attributes.get("axis", 0)
    if node.input(0) in reading.graph.arrays and axis == 0:
        weight = reading.graph.arrays[node.input(0)]
        options = {"num_embeddings": len(weight), "embedding_dim": weight.shape[1]}
        expect(node, at, "nt")
        reading.add(Part(vg.Embedding, options, {"weight": weight}), at, node, parts)
        at.axes = "ntc"
        return
    place = reading.graph.constant(node, 1)
    if place is None or place.size != 1 or place.ndim or at.axes[axis] != "t":
        raise node.lacks("vgcore chooses rows of a table, and the last timestep")
    recurrent.take_last(node, int(place), parts)
    at.axes, at.tensor = at.axes.replace("t", ""), node.outputs[0]
    at.shape = at.shape[1:]


def reduced(reading: Reading, node: Node) -> list[int]:
    """The axes that a node is told, as an input or as an attribute."""
    axes: Any = node.attributes.get("axes")
    if axes is None:
        array = reading.graph.constant(node, 1)
        axes = [] if array is None else array.tolist()
    return [*axes]
