"""How a graph of ONNX becomes layers: one after the other, and blocks where branches part and meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vgcore import layers as vg
from vgcore.activations import Activation
from vgcore.exchange import channels
from vgcore.exchange.onnx.file import Array, Graph, Node
from vgcore.layers.base import Layer, Shape

_JOINS = ("Add", "Sum", "Concat", "Mul")


@dataclass
class Place:
    """Where the graph is read: a tensor, its axes by letters, and the shape of a sample as vgcore has it.

    ``order`` is where the numbers of a vector lie in the file, if in another order; ``ones``: whether axes of
    one place are there beside those of ``axes``.
    """

    tensor: str
    axes: str
    shape: Shape
    order: channels.Order | None = None
    ones: bool = False


@dataclass
class Part:
    """A layer to be: its class, options, parameters, and of a block the parts of its branches."""

    kind: Callable[..., Layer]
    options: dict[str, Any]
    parameters: dict[str, Array] = field(default_factory=dict)
    branches: dict[str, list[Any]] = field(default_factory=dict)

    def layer(self) -> Layer:
        """The layer; a list of branches is an option of its own name."""
        made = {name: _layers(value) for name, value in self.branches.items()}
        self.made = made
        return self.kind(**{**self.options, **made})

    def fill(self, layer: Layer) -> None:
        """Copy the parameters into a layer that is a model's."""
        for name, array in self.parameters.items():
            layer.views[name][...] = array
        for name, value in self.branches.items():
            _fill(value, self.made[name])


def _layers(parts: list[Any]) -> list[Any]:
    return [_layers(each) if isinstance(each, list) else each.layer() for each in parts]


def _fill(parts: list[Any], layers: list[Any]) -> None:
    for part, layer in zip(parts, layers, strict=True):
        if isinstance(part, list):
            _fill(part, layer)
        else:
            part.fill(layer)


class Reading:
    """Reads a graph from its input to its output.

    Parameters
    ----------
    graph : Graph
    readers : dict of str to callable
        Of each operator: it takes this, the node, the place and the layers so far.
    patterns : sequence of callable
        Each takes the nodes that read one tensor instead of one, and says whether they are what it knows.
    """

    def __init__(
        self, graph: Graph, readers: Mapping[str, Reader], patterns: Sequence[Pattern]
    ) -> None:
        self.graph = graph
        self._readers, self._patterns = readers, patterns
        self._names: set[str] = set()

    def chain(self, at: Place) -> tuple[list[Part], Node | None]:
        """The layers from a place on; the node at which others meet them, or None at the output."""
        parts: list[Part] = []
        while at.tensor != self.graph.output:
            uses = self.graph.uses(at.tensor)
            if not uses:
                raise NotImplementedError(
                    f"{at.tensor}: vgcore has one output; got nodes that lead nowhere"
                )
            if len(uses) > 1:
                self._fork(uses, at, parts)
            elif self._joins(uses[0]):
                return parts, uses[0]
            else:
                self.read(uses[0], at, parts)
        return parts, None

    def read(self, node: Node, at: Place, parts: list[Part]) -> None:
        """Read a node."""
        reader = self._readers.get(node.kind)
        if reader is None:
            raise node.lacks("vgcore has no counterpart")
        if at.ones and node.kind not in ("Flatten", "Reshape", "Squeeze", "Dropout"):
            raise node.lacks("vgcore's global pools give vectors, without axes of one place")
        try:
            reader(self, node, at, parts)
        except (ValueError, TypeError) as error:
            raise node.lacks(str(error)) from error

    def add(self, part: Part, at: Place, node: Node, parts: list[Part]) -> None:
        """Take in a layer that ends at the first output of a node."""
        part.options.setdefault("name", self._name(node))
        at.shape = part.layer().output_shape(at.shape)
        at.tensor = node.outputs[0]
        parts.append(part)

    def activate(self, activation: Activation, at: Place, node: Node, parts: list[Part]) -> None:
        """Take in an activation: of the layer before, if that can have it."""
        last = parts[-1] if parts else None
        kinds = (vg.Dense, vg.Conv1d, vg.Conv2d, vg.BatchNorm, vg.LayerNorm, vg.RMSNorm, vg.GroupNorm,
                 vg.InstanceNorm, vg.Residual)  # fmt: skip
        mixing_fits = (vg.Dense, vg.BatchNorm, vg.LayerNorm)
        if (
            last is not None
            and last.kind in kinds
            and "activation" not in last.options
            and (activation.unitwise or last.kind in mixing_fits)
        ):
            last.options["activation"] = activation
            at.tensor = node.outputs[0]
        else:
            self.add(Part(vg.Activation, {"activation": activation}), at, node, parts)

    def _name(self, node: Node) -> str | None:
        name = node.name.replace(".", "_")
        if not name or not name.isprintable() or len(name) > 255 or name in self._names:
            return None
        self._names.add(name)
        return name

    def _joins(self, node: Node) -> bool:
        return node.kind in _JOINS and len(self.graph.moving(node)) > 1

    def _fork(self, uses: list[Node], at: Place, parts: list[Part]) -> None:
        """Read what several nodes make of one tensor, up to where they meet."""
        for pattern in self._patterns:
            if pattern(self, uses, at, parts):
                return
        branches: dict[str, list[Part]] = {}
        ends: list[tuple[Place, Node | None]] = []
        for node in dict.fromkeys(uses):
            place = Place(at.tensor, at.axes, at.shape, at.order, at.ones)
            mine: list[Part] = []
            end: Node | None = node
            if not self._joins(node):
                self.read(node, place, mine)
                more, end = self.chain(place)
                mine += more
            branches[place.tensor] = mine
            ends.append((place, end))
        join = ends[0][1]
        if (
            join is None
            or any(end is not join for _, end in ends)
            or len(branches) != len(join.inputs)
        ):
            raise uses[0].lacks("branches must meet in one sum or concatenation of them alone")
        if len({place.axes for place, _ in ends}) > 1 or any(
            place.order is not None for place, _ in ends
        ):
            raise join.lacks("branches must have their axes in one order")
        self._join(join, branches, ends[0][0], at, parts)

    def _join(
        self,
        join: Node,
        branches: dict[str, list[Part]],
        end: Place,
        at: Place,
        parts: list[Part],
    ) -> None:
        ordered = [branches[name] for name in join.inputs]
        beside = join.kind == "Concat" and join.attributes["axis"] % len(
            end.axes
        ) == end.axes.index("c")
        if join.kind == "Add":
            skip, body = sorted(ordered, key=len)
            gate = body.pop() if body and body[-1].kind is _gate else None
            part = Part(vg.Residual, {}, branches={"layers": body, "shortcut": skip})
            if gate is not None:
                part.options["gate"], part.parameters = 1.0, gate.parameters
        elif join.kind == "Sum" or beside:
            identity = Part(vg.Activation, {"activation": "identity"})
            listed = [each or [identity] for each in ordered]
            merge = {"merge": "concat" if beside else "sum"}
            part = Part(vg.Parallel, merge, branches={"branches": listed})
        else:
            raise join.lacks("branches are added, or their features stand side by side")
        at.axes = end.axes
        self.add(part, at, join, parts)


def _gate(**options: Any) -> Layer:
    """Stand for the factor of a residual block's body."""
    raise ValueError("a factor is that of a residual block's body alone")


def gate(factor: Array) -> Part:
    """The part that stands for the factor of a residual block's body."""
    return Part(_gate, {}, {"gate": factor})


Reader = Callable[[Reading, Node, Place, list[Part]], None]
Pattern = Callable[[Reading, list[Node], Place, list[Part]], bool]
