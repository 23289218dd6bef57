"""Nodes of a traced module: what they read, and what they ask for."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from torch import fx, nn

from vgcore.exchange.pytorch import functions
from vgcore.exchange.pytorch.places import AxesError, Place, told


def sources(node: fx.Node) -> list[fx.Node]:
    """The values that a node reads, each once; sizes and zeros are none."""
    both = ends_of_both(node)
    if both:
        return [both[0]]
    given = node.all_input_nodes
    if node.op == "call_module" or functions.name_of(node) in ("view", "reshape"):
        given = [each for each in given[:1] if each.op != "get_attr"]
    return [each for each in given if not functions.is_size(each)]


def check_in_place(node: fx.Node, module: nn.Module | None = None) -> None:
    """Raise where a node changes a value in place that is read again: what comes later reads the change."""
    name = functions.name_of(node)
    changes = getattr(module, "inplace", False) or (module is None and name in ("iadd", "add_"))
    if not changes and not name.endswith("_"):
        return
    before = sources(node)[0]
    nodes = list(node.graph.nodes)
    again = [each for each in before.users if not functions.is_size(each)]
    if any(nodes.index(each) > nodes.index(node) for each in again):
        raise NotImplementedError(
            f"{title(node)}: changes what {title(before)} gives in place, which is read again as it is then; "
            "values stay as they are here"
        )


def operands(node: fx.Node) -> Sequence[fx.Node]:
    """What a sum or a concatenation reads, in order."""
    given: Any = node.args
    if functions.joins(node):
        given = node.args[0]
    elif len(node.args) != 2 or node.kwargs.get("alpha", 1) != 1:
        raise NotImplementedError(f"{title(node)}: sums are of two values as they are here")
    for each in given:
        if not isinstance(each, fx.Node) or each.op == "get_attr" or functions.is_size(each):
            raise NotImplementedError(f"{title(node)}: expected values of layers, got {each!r}")
    return list(given)


def title(node: fx.Node) -> str:
    """What messages call a node: the module's path, or the function's name."""
    if node.op == "call_module":
        return str(node.target)
    return f"{node.name} ({functions.name_of(node)})"


def picks(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target is operator.getitem


def first_index(index: Any) -> Any:
    """The first of several indices, where the others take all."""
    if not isinstance(index, tuple):
        return index
    return index[0] if all(each == slice(None) for each in index[1:]) else None


def is_last(index: Any, place: Place) -> bool:
    """Whether an index of a recurrent layer's outputs is the last timestep."""
    if place.module.batch_first:
        if not isinstance(index, tuple) or index[0] != slice(None):
            return False
        index = index[1:]
    last = place.shape[0]
    return first_index(index) in (-1, None if last is None else last - 1)


def ends_of_both(node: fx.Node) -> tuple[fx.Node, int] | None:
    """Of torch.cat((h[i], h[i + 1]), dim=1) the node h, and i; else None."""
    if not functions.joins(node) or not isinstance(node.args[0], tuple | list):
        return None
    parts = node.args[0]
    if len(parts) != 2 or not all(isinstance(each, fx.Node) and picks(each) for each in parts):
        return None
    one, other = parts
    first, second = first_index(one.args[1]), first_index(other.args[1])
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if not isinstance(first, int) or second != first + 1 or dim not in (1, -1):
        return None
    return (one.args[0], first) if one.args[0] is other.args[0] else None


def check_dim(node: fx.Node, axes: str) -> None:
    dim: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if axes[dim] != "f":
        raise AxesError(
            f"{title(node)}: side by side along the axis {dim} of {told(axes)}, and features are here"
        )


def moved(node: fx.Node, axes: str) -> str:
    """The axes as a transpose or permute orders them."""
    given: Any = node.args[1:] or tuple(node.kwargs.values())
    order = given[0] if len(given) == 1 else given
    if functions.name_of(node) == "permute":
        if len(order) != len(axes):
            raise NotImplementedError(f"{title(node)}: of {told(axes)}")
        return "".join(axes[axis] for axis in order)
    moved = list(axes)
    one, other = order
    moved[one], moved[other] = moved[other], moved[one]
    return "".join(moved)
