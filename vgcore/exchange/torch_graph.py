"""A traced module of PyTorch, read as layers one after the other, some of them blocks."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from vgcore import layers
from vgcore.activations import Activation
from vgcore.exchange import torch_functions, torch_layers
from vgcore.exchange.torch_layers import Counterpart, Place, Tensors, Unfit, told
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
        self._dominators = _dominators(graph)

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
            sources = _sources(node)
            if not sources:
                raise NotImplementedError(f"{_told(node)}: reads no input of the module")
            node = sources[0] if len(sources) == 1 else self._dominators[node][0]
        steps.reverse()
        made: list[Made] = []
        skipped = False
        for number, node in enumerate(steps):
            if node in self._read:
                raise NotImplementedError(
                    f"{_told(node)}: is read by two that do not meet again in one sum; branches begin at "
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
        if _end_of_both(node):
            return self._ended(node, value, made, both=True), False
        if len(_sources(node)) > 1 or torch_functions.adds(node) or torch_functions.joins(node):
            value = self._settled(value, made)
            return self._joined(node, after, value, made)
        if value.pending is not None and not value.part == "outputs" or _picks(node):
            picked = self._picked(node, value, made)
            if picked is not None:
                return picked, False
        module, path = self._module(node)
        if module is None:
            value = self._settled(value, made, ones=False)
            return self._shaped(node, value, made), False
        value = self._settled(value, made, ones=torch_layers.minds_ones(module))
        place = Place(_told(node) if path is None else ".".join(path), module, value.axes, value.shape)
        if type(module) in torch_layers.RECURRENT:
            self._check_recurrent(node, place)
            return replace(value, pending=place, node=node, part="all"), False
        merged = None
        if after is not None and torch_layers.takes_activation(module):
            merged = self._activation(after, place)
        place.activation = merged
        return self._taken(torch_layers.counterpart(place), value, path, node, made), merged is not None

    def _module(self, node: fx.Node) -> tuple[nn.Module | None, Path | None]:
        """What a node calls, as a module, and where that is."""
        if node.op == "call_module":
            assert isinstance(node.target, str)
            return self.root.get_submodule(node.target), tuple(node.target.split("."))
        return torch_functions.module_of(node), None

    def _activation(self, node: fx.Node, before: Place | None = None) -> Activation | None:
        """The activation that a node is, if the layer before it may have it."""
        module, _ = self._module(node)
        if module is None or torch_layers.is_hooked(module):
            return None
        if before is not None and type(before.module) is nn.Linear:
            softmax = torch_layers.softmax_of(replace(before, path=_told(node), module=module))
            if softmax is not None:
                return softmax
        return torch_layers.activation_of(module)

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

    # ---- recurrent layers: which of their results is meant

    def _check_recurrent(self, node: fx.Node, place: Place) -> None:
        states = [*node.args[1:], *node.kwargs.values()]
        if not all(map(torch_functions.is_zeros, states)):
            raise place.lacks("with initial states of its own, and predict takes them here")
        torch_layers.check_hooks(place)

    def _picked(self, node: fx.Node, value: Value, made: list[Made]) -> Value | None:
        """What a node picks of a recurrent layer's results; None if it does not pick."""
        place, index = value.pending, node.args[1] if _picks(node) else None
        if place is None:
            return None
        module: Any = place.module
        if value.part == "all" and index == 0:
            return replace(value, part="outputs")
        if value.part == "all" and index == 1:
            return replace(value, part="states" if isinstance(module, nn.LSTM) else "h")
        if value.part == "states" and index == 0:
            return replace(value, part="h")
        if value.part == "h" and not module.bidirectional:
            last = _first(index) in (-1, module.num_layers - 1)
            squeezes = node.target == "squeeze" and node.args[1:] == (0,) and module.num_layers == 1
            if (index is not None and last) or squeezes:
                return self._ended(node, value, made)
        if value.part == "outputs" and index is not None and _is_last(index, place):
            if module.bidirectional:
                raise place.lacks(
                    "goes both ways, and at the last timestep the backward walk has only begun; where both "
                    "end is torch.cat((h[-2], h[-1]), dim=1)"
                )
            return self._ended(node, value, made)
        if value.part == "outputs" and index is None:
            return None
        raise place.lacks(
            f"of whose results {_told(node)} takes what is not given here: that is the outputs, their last "
            "timestep, or the last h of the last layer"
        )

    def _ended(
        self, node: fx.Node, value: Value, made: list[Made], both: bool = False
    ) -> Value:
        """A recurrent layer that gives where its walks end."""
        place: Any = value.pending
        if place is None or value.part != "h" and both or both is not place.module.bidirectional:
            raise NotImplementedError(f"{_told(node)}: joins what are not the ends of both directions")
        assert value.node is not None
        found = torch_layers.recurrent(place, sequences=False)
        path = tuple(place.path.split("."))
        return self._taken(found, replace(value, pending=None), path, value.node, made)

    def _settled(self, value: Value, made: list[Made], ones: bool = True) -> Value:
        """A value that is one: outputs of a recurrent layer at all timesteps, ``ones`` as axes."""
        place = value.pending
        if place is not None:
            if value.part in ("states", "h"):
                raise place.lacks("whose states go on, and its outputs alone do here")
            assert value.node is not None
            found = torch_layers.recurrent(place, sequences=True)
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
        where, adds = _told(node), torch_functions.adds(node)
        if not adds and not torch_functions.joins(node):
            raise NotImplementedError(f"{where}: has no counterpart of several values here")
        ends, start = _operands(node), self._start(node)
        ways = [self._follow(start, end, value) for end in ends]
        ways = [(way, self._settled(behind, way)) for way, behind in ways]
        axes = {behind.axes for _, behind in ways}
        if len(axes) > 1:
            raise Unfit(f"{where}: its inputs have other axes, {' and '.join(map(told, sorted(axes)))}")
        (behind,) = axes
        if not adds:
            _check_dim(node, behind)
        branches = [way for way, _ in ways]
        prefix = _common([each for way in branches for each in way])
        lists = [_named(way, prefix) for way in branches]
        lists = _distinct(lists)
        activation, block = None, None
        if adds and len(branches) == 2 and any(lists):
            activation = None if after is None else self._activation(after)
            # The skip is the shorter way; of two as long the second, as torchvision writes them
            body, skip = sorted(lists, key=len, reverse=True)
            block = layers.Residual(body, shortcut=skip, activation=activation)
        else:
            whole = [each or [layers.Activation("identity")] for each in lists]
            block = layers.Parallel(whole, merge="sum" if adds else "concat")
        block.keep("name", where)
        made.append(Made(block, prefix, node.name))
        return Value(behind, block.output_shape(value.shape)), activation is not None

    def _start(self, node: fx.Node) -> fx.Node:
        """Where all that a node reads has passed last."""
        sources = _sources(node)
        return self._dominators[node][0] if len(sources) > 1 else sources[0]

    # ---- shapes

    def _shaped(self, node: fx.Node, value: Value, made: list[Made]) -> Value:
        """A function or method that moves axes, means over places, or lays numbers out."""
        name, where = torch_functions.name_of(node), _told(node)
        pooled = {"mean": nn.AdaptiveAvgPool1d(1), "amax": nn.AdaptiveMaxPool1d(1)}
        if name in ("transpose", "permute", "swapaxes"):
            return replace(value, axes=_moved(node, value.axes))
        if name in pooled:
            return self._pooled(node, value, made, largest=name == "amax")
        if name == "squeeze":
            dims = [axis % len(value.axes) for axis in node.args[1:] if isinstance(axis, int)]
            gone = "".join(letter for i, letter in enumerate(value.axes) if i not in dims)
            if dims and {value.axes[axis] for axis in dims} == {"1"}:
                return replace(value, axes=gone)
        if name in ("view", "reshape"):
            sizes = torch_functions.sizes_asked(node)
            place = Place(where, nn.Flatten(), value.axes, value.shape)
            if sizes is not None and len(sizes) == 1:
                found = torch_layers.counterpart(place)
                after = self._taken(found, value, None, node, made)
                if sizes[0] not in (-1, after.shape[0]):
                    raise NotImplementedError(f"{where}: one vector of {sizes[0]} of {after.shape[0]}")
                return after
            if sizes is not None and value.axes == "nf" and len(sizes) in (2, 3):
                return self._taken(torch_layers.reshaped(place, sizes), value, None, node, made)
        raise NotImplementedError(f"{where}: has no counterpart here")

    def _pooled(self, node: fx.Node, value: Value, made: list[Made], largest: bool) -> Value:
        """A mean or maximum over all places."""
        dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        keeps = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
        over: Any = dims if isinstance(dims, tuple | list) else (dims,)
        letters = {value.axes[axis] for axis in over if isinstance(axis, int)}
        if letters not in ({"t"}, {"h", "w"}) or (keeps and value.axes not in ("nft", "nfhw")):
            raise NotImplementedError(
                f"{_told(node)}: over {dims} of {told(value.axes)}, and it is over all timesteps or pixels "
                "here"
            )
        layer = layers.GlobalMaxPool() if largest else layers.GlobalAvgPool()
        found = Counterpart(layer, "nf" + "1" * (len(letters) * bool(keeps)))
        return self._taken(found, value, None, node, made)


def _sources(node: fx.Node) -> list[fx.Node]:
    """The values that a node reads, each once; sizes and zeros are none."""
    both = _end_of_both(node)
    if both:
        return [both]
    given = node.all_input_nodes
    if node.op == "call_module" or torch_functions.name_of(node) in ("view", "reshape"):
        given = [each for each in given[:1] if each.op != "get_attr"]
    return [each for each in given if not torch_functions.is_size(each)]


def _operands(node: fx.Node) -> Sequence[fx.Node]:
    """What a sum or a concatenation reads, in order."""
    given: Any = node.args
    if torch_functions.joins(node):
        given = node.args[0]
    elif len(node.args) != 2 or node.kwargs.get("alpha", 1) != 1:
        raise NotImplementedError(f"{_told(node)}: sums are of two values as they are here")
    for each in given:
        if not isinstance(each, fx.Node) or each.op == "get_attr" or torch_functions.is_size(each):
            raise NotImplementedError(f"{_told(node)}: expected values of layers, got {each!r}")
    return list(given)


def _dominators(graph: fx.Graph) -> dict[fx.Node, tuple[fx.Node, int]]:
    """The node that all which reaches a node passes last, and how many there are on the way to it."""
    found: dict[fx.Node, tuple[fx.Node, int]] = {}
    for node in graph.nodes:
        sources = [each for each in _sources(node) if each in found]
        if node.op == "placeholder" and not found:
            found[node] = (node, 0)
        elif sources:
            common = sources[0]
            for other in sources[1:]:
                while common is not other:
                    if found[common][1] >= found[other][1]:
                        common = found[common][0]
                    else:
                        other = found[other][0]
            found[node] = (common, found[common][1] + 1)
    return found


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


def _told(node: fx.Node) -> str:
    """What messages call a node: the module's path, or the function's name."""
    if node.op == "call_module":
        return str(node.target)
    return f"{node.name} ({torch_functions.name_of(node)})"


def _picks(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target is operator.getitem


def _first(index: Any) -> Any:
    """The first of several indices, where the others take all."""
    if not isinstance(index, tuple):
        return index
    return index[0] if all(each == slice(None) for each in index[1:]) else None


def _is_last(index: Any, place: Place) -> bool:
    """Whether an index of a recurrent layer's outputs is the last timestep."""
    if place.module.batch_first:
        if not isinstance(index, tuple) or index[0] != slice(None):
            return False
        index = index[1:]
    last = place.shape[0]
    return _first(index) in (-1, None if last is None else last - 1)


def _end_of_both(node: fx.Node) -> fx.Node | None:
    """Of torch.cat((h[-2], h[-1]), dim=1) the node h; else None."""
    if not torch_functions.joins(node) or not isinstance(node.args[0], tuple | list):
        return None
    parts = node.args[0]
    if len(parts) != 2 or not all(isinstance(each, fx.Node) and _picks(each) for each in parts):
        return None
    one, other = parts
    ends = (_first(one.args[1]), _first(other.args[1]))  # type: ignore[union-attr]
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    same = one.args[0] is other.args[0]  # type: ignore[union-attr]
    return one.args[0] if same and ends in ((-2, -1), (0, 1)) and dim in (1, -1) else None  # type: ignore


def _check_dim(node: fx.Node, axes: str) -> None:
    dim: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if axes[dim] != "f":
        raise Unfit(
            f"{_told(node)}: side by side along the axis {dim} of {told(axes)}, and features are here"
        )


def _moved(node: fx.Node, axes: str) -> str:
    """The axes as a transpose or permute orders them."""
    given: Any = node.args[1:] or tuple(node.kwargs.values())
    order = given[0] if len(given) == 1 else given
    if torch_functions.name_of(node) == "permute":
        if len(order) != len(axes):
            raise NotImplementedError(f"{_told(node)}: of {told(axes)}")
        return "".join(axes[axis] for axis in order)
    moved = list(axes)
    one, other = order
    moved[one], moved[other] = moved[other], moved[one]
    return "".join(moved)


