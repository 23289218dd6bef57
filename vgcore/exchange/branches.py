"""Branches of other libraries' graphs: where they part and meet, and the block that they are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from vgcore import layers as vg
from vgcore.activations import Activation
from vgcore.layers.base import Layer

Node = TypeVar("Node", bound=Hashable)


def dominators(read: Mapping[Node, Sequence[Node]]) -> dict[Node, tuple[Node, int]]:
    """The node that all which reaches a node passes last, and how many there are on the way to it.

    ``read`` has what each node reads, each behind what it reads; the first is the input.
    """
    found: dict[Node, tuple[Node, int]] = {}
    for node, sources in read.items():
        known = [each for each in sources if each in found]
        if not found:
            found[node] = (node, 0)
        elif known:
            common = known[0]
            for other in known[1:]:
                while common != other:
                    if found[common][1] >= found[other][1]:
                        common = found[common][0]
                    else:
                        other = found[other][0]
            found[node] = (common, found[common][1] + 1)
    return found


def block(
    ways: Sequence[list[Layer]], adds: bool, activation: Activation | None = None
) -> vg.Residual | vg.Parallel:
    """The block that branches are which are added, or stand side by side: of two a Residual.

    ``activation``, of the sum, is that of a Residual; a Parallel has none.
    """
    if adds and len(ways) == 2 and any(ways):
        # The skip is the shorter way; of two as long the second, as torchvision writes them
        body, skip = sorted(ways, key=len, reverse=True)
        return vg.Residual(body, shortcut=skip, activation=activation)
    whole = [each or [vg.Activation("identity")] for each in ways]
    return vg.Parallel(whole, merge="sum" if adds else "concat")


def places(layers: Iterable[Layer], prefix: str = "") -> Iterator[tuple[int, str]]:
    """Each layer's id, those in blocks too, and its name in states."""
    for layer in layers:
        yield id(layer), f"{prefix}{layer.name}"
        yield from places(layer.members(), f"{prefix}{layer.name}.")
