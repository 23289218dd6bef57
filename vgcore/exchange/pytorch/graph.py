"""A traced module of PyTorch, read as layers one after the other, some of them blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from torch import fx, nn

from vgcore import layers
from vgcore.activations import Activation
from vgcore.exchange import branches
from vgcore.exchange.pytorch import activation_names, functions, nodes, readers, recurrent
from vgcore.exchange.pytorch.nodes import title
from vgcore.exchange.pytorch.places import (
    AxesError,
    Counterpart,
    Place,
    Tensors,
    is_changed,
    told,
)
from vgcore.layers.base import Layer, Shape

Path = tuple[str, ...]


class Made(NamedTuple):
    """A layer, and where in the module it comes from; of a function there is no path but a name."""

    layer: Layer
    path: Path | None
    name: str


@dataclass(frozen=True)
class Value:
    """What flows: PyTorch's axes and vgcore's shape; of a recurrent layer what of its results is meant.

    ``part``: "all" that it returns, its "outputs", its "states" h and c, or "h" alone.
    """

    axes: str
    shape: Shape
    pending: Place | None = None
    node: fx.Node | None = None
    part: str = ""


class Reader:
    """Reads one graph, whose input has certain axes.

    Attributes
    ----------
    done : int
        Nodes that were read: how far it came.
    tensors : list of (Layer, dict)
        Each layer's tensors, by the names of its parameters.
    """

    def __init__(self, root: nn.Module, graph: fx.Graph) -> None:
        self.root = root
        self.done = 0
        self.tensors: list[tuple[Layer, Tensors]] = []
        self._read: set[fx.Node] = set()
        self._kept: dict[int, str] = {}  # who has each tensor
        self._dominators = branches.dominators({each: nodes.sources(each) for each in graph.nodes})

    def read(self, start: fx.Node, end: fx.Node, axes: str, shape: Shape) -> list[Layer]:
        """The layers from the module's input to what it returns."""
        made, value = self._follow(start, end, Value(axes, shape))
        value = self._settled(value, made)
        return _named(made, ())

    def _follow(self, start: fx.Node, end: fx.Node, value: Value) -> tuple[list[Made], Value]:
        """What lies between two nodes, of which the first is passed by all that reaches the second."""
        steps, node = [], end
        while node is not start:
            steps.append(node)
            sources = nodes.sources(node)
            if not sources:
                raise NotImplementedError(f"{title(node)}: reads no input of the module")
            node = sources[0] if len(sources) == 1 else self._dominators[node][0]
        steps.reverse()
        made: list[Made] = []
        skipped = False
        for number, node in enumerate(steps):
            if node in self._read:
                raise NotImplementedError(
                    f"{title(node)}: is read by two that do not meet again in one sum; branches begin at "
                    "one value and end in one here"
                )
            self._read.add(node)
            if skipped:
                skipped = False
                continue
            after = steps[number + 1] if number + 1 < len(steps) else None
            value, skipped = self._step(node, after, value, made)
            self.done += 1
        return made, value

    def _step(
        self, node: fx.Node, after: fx.Node | None, value: Value, made: list[Made]
    ) -> tuple[Value, bool]:
        """What one node makes of a value; and whether what comes after it is done, too."""
        both = nodes.ends_of_both(node)
        if both is not None:
            return self._ended(node, value, made, first=both[1]), False
        if len(nodes.sources(node)) > 1 or functions.adds(node) or functions.joins(node):
            value = self._settled(value, made)
            return self._joined(node, after, value, made)
        if value.pending is not None and (value.part != "outputs" or nodes.picks(node)):
            part = recurrent.picked(node, value.pending, value.part)
            if part != "end":
                return replace(value, part=part), False
            return self._ended(node, value, made), False
        module, path = self._module(node)
        nodes.check_in_place(node, module)
        if module is None:
            value = self._settled(value, made, ones=False)
            return self._shaped(node, value, made), False
        value = self._settled(value, made, ones=readers.minds_ones(module))
        place = Place(
            title(node) if path is None else ".".join(path), module, value.axes, value.shape
        )
        if type(module) in recurrent.RECURRENT:
            recurrent.check_start(node, place)
            return replace(value, pending=place, node=node, part="all"), False
        merged = None
        if after is not None and readers.takes_activation(module):
            merged = self._activation(after, place)
        place.activation = merged
        return self._taken(readers.counterpart(place), value, path, node, made), merged is not None

    def _module(self, node: fx.Node) -> tuple[nn.Module | None, Path | None]:
        """What a node calls, as a module, and where that is."""
        if node.op == "call_module":
            assert isinstance(node.target, str)
            return self.root.get_submodule(node.target), tuple(node.target.split("."))
        return functions.module_of(node), None

    def _activation(self, node: fx.Node, before: Place | None = None) -> Activation | None:
        """The activation that a node is, if the layer before it may have it."""
        module, _ = self._module(node)
        if module is None or is_changed(module):
            return None
        nodes.check_in_place(node, module)
        if before is not None and type(before.module) is nn.Linear:
            softmax = activation_names.softmax_of(replace(before, path=title(node), module=module))
            if softmax is not None:
                return softmax
        return activation_names.activation_of(module)

    def _taken(
        self, found: Counterpart, value: Value, path: Path | None, node: fx.Node, made: list[Made]
    ) -> Value:
        """The value behind a layer, which becomes part of the list."""
        if found.layer is None:
            return replace(value, axes=found.axes)
        made.append(Made(found.layer, path, node.name))
        if found.tensors:
            where = ".".join(path or (node.name,))
            for name, tensor in found.tensors.items():
                if id(tensor) in self._kept:
                    raise NotImplementedError(
                        f"{where}: shares its {name} with {self._kept[id(tensor)]}; each layer has "
                        "parameters of its own here, and is used once"
                    )
                self._kept[id(tensor)] = where
            self.tensors.append((found.layer, found.tensors))
        found.layer.keep("name", "_".join(path or (node.name,)))
        shape = found.layer.output_shape(value.shape)
        return Value(found.axes, shape)

    # ---- recurrent layers

    def _ended(
        self, node: fx.Node, value: Value, made: list[Made], first: int | None = None
    ) -> Value:
        """A recurrent layer that gives where its walks end: of both directions h from ``first`` on."""
        place: Any = value.pending
        ends: tuple[int | None, ...] = ()
        if place is not None and not place.module.bidirectional:
            ends = (None,)
        elif place is not None and value.part == "h":
            ends = (-2, 2 * place.module.num_layers - 2)
        if first not in ends:
            raise NotImplementedError(
                f"{title(node)}: joins what are not the ends of both directions of the last layer"
            )
        assert value.node is not None
        found = recurrent.recurrent(place, sequences=False)
        path = tuple(place.path.split("."))
        return self._taken(found, replace(value, pending=None), path, value.node, made)

    def _settled(self, value: Value, made: list[Made], ones: bool = True) -> Value:
        """A value that is one: outputs of a recurrent layer at all timesteps, ``ones`` as axes."""
        place = value.pending
        if place is not None:
            if value.part in ("states", "h"):
                raise place.lacks("whose states go on, and its outputs alone do here")
            assert value.node is not None
            found = recurrent.recurrent(place, sequences=True)
            path = tuple(place.path.split("."))
            value = self._taken(found, replace(value, pending=None), path, value.node, made)
        if ones and "1" in value.axes:
            units = value.shape[0]
            assert units is not None
            image = value.axes == "nf11"
            shape = (units, 1, 1) if image else (1, units)
            layer = layers.Reshape(shape)
            made.append(Made(layer, None, f"reshape_{len(made)}"))
            value = Value("nfhw" if image else "nft", layer.output_shape(value.shape))
        return value

    # ---- branches

    def _joined(
        self, node: fx.Node, after: fx.Node | None, value: Value, made: list[Made]
    ) -> tuple[Value, bool]:
        """Branches that begin at the value and end in the node, as a block."""
        where, adds = title(node), functions.adds(node)
        if not adds and not functions.joins(node):
            raise NotImplementedError(f"{where}: has no counterpart of several values here")
        nodes.check_in_place(node)
        ends, start = nodes.operands(node), self._start(node)
        if len(ends) == 1:
            return value, False
        ways = [self._follow(start, end, value) for end in ends]
        ways = [(way, self._settled(behind, way)) for way, behind in ways]
        axes = {behind.axes for _, behind in ways}
        if len(axes) > 1:
            raise AxesError(
                f"{where}: its inputs have other axes, {' and '.join(map(told, sorted(axes)))}"
            )
        (behind,) = axes
        shapes = list(dict.fromkeys(behind.shape for _, behind in ways))
        if adds and len(shapes) > 1:
            raise NotImplementedError(
                f"{where}: adds values of shapes {shapes}, and of one shape here"
            )
        if not adds:
            nodes.check_dim(node, behind)
        prefix = _common([each for way, _ in ways for each in way])
        lists = _distinct([_named(way, prefix) for way, _ in ways])
        activation = None if after is None else self._activation(after)
        block = branches.block(lists, adds, activation)
        block.keep("name", where)
        made.append(Made(block, prefix, node.name))
        merged = activation is not None and isinstance(block, layers.Residual)
        return Value(behind, block.output_shape(value.shape)), merged

    def _start(self, node: fx.Node) -> fx.Node:
        """Where all that a node reads has passed last."""
        sources = nodes.sources(node)
        return self._dominators[node][0] if len(sources) > 1 else sources[0]

    # ---- shapes

    def _shaped(self, node: fx.Node, value: Value, made: list[Made]) -> Value:
        """A function or method that moves axes, means over places, or lays numbers out."""
        name, where = functions.name_of(node), title(node)
        pooled = {"mean": nn.AdaptiveAvgPool1d(1), "amax": nn.AdaptiveMaxPool1d(1)}
        if name in ("transpose", "permute", "swapaxes"):
            return replace(value, axes=nodes.moved(node, value.axes))
        if name in pooled:
            return self._pooled(node, value, made, largest=name == "amax")
        if name == "squeeze":
            dims = [axis % len(value.axes) for axis in node.args[1:] if isinstance(axis, int)]
            gone = "".join(letter for i, letter in enumerate(value.axes) if i not in dims)
            if dims and {value.axes[axis] for axis in dims} == {"1"}:
                return replace(value, axes=gone)
        if name in ("view", "reshape"):
            sizes = functions.sizes_asked(node)
            place = Place(where, nn.Flatten(), value.axes, value.shape)
            if sizes is not None and len(sizes) == 1:
                found = readers.counterpart(place)
                after = self._taken(found, value, None, node, made)
                if sizes[0] not in (-1, after.shape[0]):
                    raise NotImplementedError(
                        f"{where}: one vector of {sizes[0]} of {after.shape[0]}"
                    )
                return after
            if sizes is not None and value.axes == "nf" and len(sizes) in (2, 3):
                return self._taken(readers.reshaped(place, sizes), value, None, node, made)
        raise NotImplementedError(f"{where}: has no counterpart here")

    def _pooled(self, node: fx.Node, value: Value, made: list[Made], largest: bool) -> Value:
        """A mean or maximum over all places."""
        dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        keeps = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
        over: Any = dims if isinstance(dims, tuple | list) else (dims,)
        letters = {value.axes[axis] for axis in over if isinstance(axis, int)}
        if letters not in ({"t"}, {"h", "w"}) or (keeps and value.axes not in ("nft", "nfhw")):
            raise NotImplementedError(
                f"{title(node)}: over {dims} of {told(value.axes)}, and it is over all timesteps or pixels "
                "here"
            )
        layer = layers.GlobalMaxPool() if largest else layers.GlobalAvgPool()
        found = Counterpart(layer, "nf" + "1" * (len(letters) * bool(keeps)))
        return self._taken(found, value, None, node, made)


def _named(made: list[Made], prefix: Path) -> list[Layer]:
    """The layers, each called by what its path has behind the prefix."""
    taken: set[str] = set()
    for layer, path, name in made:
        rest = name if path is None else "_".join(path[len(prefix) :])
        if not rest:  # a block of the module itself
            layer.keep("name", None)
            continue
        while rest in taken:
            rest += "_"
        taken.add(rest)
        layer.keep("name", rest)
    return [each.layer for each in made]


def _distinct(lists: list[list[Layer]]) -> list[list[Layer]]:
    """The same layers, of which no two of a block have one name."""
    taken: set[str] = set()
    for layer in (each for way in lists for each in way):
        while layer.name is not None and layer.name in taken:
            layer.keep("name", f"{layer.name}_")
        if layer.name is not None:
            taken.add(layer.name)
    return lists


def _common(made: list[Made]) -> Path:
    """The module that all of a block's layers are in."""
    paths = [each.path[:-1] for each in made if each.path]
    if not paths:
        return ()
    shortest = min(paths, key=len)
    length = 0
    while length < len(shortest) and len({path[length] for path in paths}) == 1:
        length += 1
    return shortest[:length]
