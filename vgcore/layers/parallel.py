"""Branches that read one input, summed or side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, ClassVar, Literal

from vgcore import _validate, activations
from vgcore._core import concat, residual
from vgcore._core.op import Operation
from vgcore.layers.base import (
    Column,
    Layer,
    Shape,
    check_once,
    describe,
    features,
    is_image,
    joining,
    make,
    name_layers,
    places,
)
from vgcore.layers.block import Block
from vgcore.layers.membership import claim

_MERGES = ("sum", "concat")
_IDENTITY = activations.get("identity")


class Parallel(Block):
    """``h = b1(x) + b2(x) + ...``, or ``h = (b1(x), b2(x), ...)``: branches that read one input.

    The gradient that reaches x is the sum of what the branches bring. Side by side they are an Inception
    module (Szegedy et al. 2015, arXiv 1409.4842, figure 2); summed, with `Residual` inside, a ResNeXt's
    block (Xie et al. 2017, arXiv 1611.05431, eq. 2).

    Parameters
    ----------
    branches : sequence of Layer, or of sequences of Layer
        Each a layer, or layers input to output; blocks may be nested. A branch that gives x on is
        ``Activation("identity")``.
    merge : {"sum", "concat"}
        "sum" asks for branches of one shape; "concat" sets features, of images channels, side by side in
        the branches' order, all else being equal.
    name : str, optional
        By default "parallel1", "parallel2", ...; its layers are "parallel1.dense1", ..., numbered through
        all branches.

    Attributes
    ----------
    stacks : tuple of tuple of Layer
        The branches.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, there are fewer than two branches or one has no layers, a layer
        is used twice or belongs to a model, or the branches' shapes do not fit.

    Notes
    -----
    The tracker's column "parallel1" tells of h: its ``delta`` is dL/dh, and those of the layers tell what
    becomes of it in each branch.
    """

    kind: ClassVar[str] = "parallel"

    def __init__(
        self,
        branches: Sequence[Layer | Sequence[Layer]],
        *,
        merge: Literal["sum", "concat"] = "sum",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if isinstance(branches, Layer):
            raise TypeError(
                f"branches: expected a sequence of branches, got {type(branches).__name__}"
            )
        given = _validate.items("branches", branches, "a sequence of branches")
        self._stacks = tuple(_branch(f"branches[{i}]", each) for i, each in enumerate(given))
        if len(self._stacks) < 2:
            raise ValueError(f"branches: expected at least two, got {len(self._stacks)}")
        check_once(self.members())
        self.merge = _validate.one_of("merge", merge, _MERGES)
        self.gather_traits()
        name_layers(self.members())
        claim(self, self.members())

    @property
    def stacks(self) -> Sequence[Sequence[Layer]]:
        """The branches."""
        return self._stacks

    @property
    def ahead(self) -> int:  # type: ignore[override]
        """A fork less than there are branches."""
        return len(self._stacks) - 1

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of each branch, or as many features as all have."""
        shapes = [self.shapes(layers, input_shape)[-1] for layers in self._stacks]
        if self.merge == "sum":
            wanted, fit = "of one shape, to add up", len(set(shapes)) == 1
        else:
            wanted = "whose shapes differ in their features alone"
            fit = len({(len(shape), *_around(shape)) for shape in shapes}) == 1
        if not fit:
            came = ", ".join(map(str, shapes))
            raise ValueError(f"{self.name}: expected branches {wanted}; got {came}")
        if self.merge == "sum":
            return shapes[0]
        total = sum(map(features, shapes))
        return (total, *shapes[0][1:]) if is_image(shapes[0]) else (*shapes[0][:-1], total)

    def columns(self) -> list[Column]:
        """The layers, and the result under the block's own name; forks and joins on the way have none."""
        forks = [Column(f".fork{i}", shown=False) for i in range(self.ahead)]
        joins = [Column(f".join{i}", shown=False) for i in range(self.ahead - 1)]
        return [*forks, *super().columns(), *joins, Column(slopes=False)]

    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """Two readers to each fork and each join: a chain of forks, the branches, a chain of joins."""
        units, around = features(input_shape), places(input_shape)
        operations = [
            residual.fork(units, tells=False, real_bytes=real_bytes).lay(around, around)
            for _ in range(self.ahead)
        ]
        operations += super().operations(input_shape, real_bytes)
        branches = self.branches(input_shape)
        for place, (_, _, first) in enumerate(branches):
            operations[first].wire(source=min(place, self.ahead - 1) - first)
        ends = [first - 1 for _, _, first in branches[1:]] + [len(operations) - 1]
        shapes = [shapes[-1] for _, shapes, _ in branches]
        widths = list(accumulate(map(features, shapes)))
        behind = places(shapes[0])
        for place, end in enumerate(ends[1:]):
            join = self._join(widths[place], features(shapes[place + 1]), real_bytes)
            number = len(operations)
            join.wire(source=-1 if place else ends[0] - number, second=end - number)
            operations.append(join.lay(behind, behind))
        return operations

    def _join(self, first: int, second: int, real_bytes: int) -> Operation:
        """Of ``first`` features side by side so far, or sums, with the next ``second``."""
        if self.merge == "concat":
            return concat.operation(first, second, real_bytes=real_bytes)
        return residual.join(
            second,
            gated=False,
            activation=_IDENTITY.function,
            real_bytes=real_bytes,
        )

    def ends(self) -> list[Layer]:
        """The last layer of each branch that changes numbers, and does not only move them."""
        return [
            next((layer for layer in reversed(layers) if not layer.passes_on), layers[-1])
            for layers in self._stacks
        ]

    def given(self) -> dict[str, Any]:
        """The branches, how they are merged, and name."""
        branches = [layers[0] if len(layers) == 1 else [*layers] for layers in self._stacks]
        return {"branches": branches, "merge": self.merge, "name": self.name}

    def config(self) -> dict[str, Any]:
        """The layers of all branches, how they are merged, and name."""
        return {
            "branches": [[describe(layer) for layer in layers] for layers in self._stacks],
            "merge": self.merge,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Parallel:
        """The block that `config` described."""
        branches = [[make(layer) for layer in layers] for layers in config["branches"]]
        return cls(branches, merge=config["merge"], name=config["name"])


def _branch(argument: str, given: Layer | Iterable[Layer]) -> tuple[Layer, ...]:
    layers = joining(argument, [given] if isinstance(given, Layer) else given)
    if not layers:
        raise ValueError(
            f'{argument}: expected at least one layer, got none; Activation("identity") gives x on'
        )
    return layers


def _around(shape: Shape) -> Shape:
    """All sizes but the number of features."""
    return shape[1:] if is_image(shape) else shape[:-1]
