"""What a change is, and the catalogue of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from vgcore.diagnosis import writing
from vgcore.diagnosis.recipe import Recipe

Array = NDArray[Any]


class Given(NamedTuple):
    """The data that a network is trained with, as its user has them."""

    x: Array
    y: Array
    lengths: Array | None = None

    def of(self, rows: Array) -> Given:
        """Those of some rows."""
        lengths = None if self.lengths is None else self.lengths[rows]
        return Given(self.x[rows], self.y[rows], lengths)


Edit = Callable[[Recipe, Given], Recipe | None]


@dataclass(frozen=True)
class Change:
    """A change of a recipe.

    Attributes
    ----------
    key : str
        In `CHANGES`.
    name : str
        In a few words, for tables.
    why : str
        What it does, and the source of it.
    function : callable
    family : str
        Changes of one family would undo each other; empty of those that have none.
    trains : bool
        Whether it trains a copy to find out what to change.
    """

    key: str
    name: str
    why: str
    function: Edit
    family: str = ""
    trains: bool = False

    def edit(
        self, recipe: Recipe, x: Array, y: Array, lengths: Array | None = None
    ) -> Recipe | None:
        """The recipe with the change; None where it does not apply, or would change nothing."""
        made = self.function(recipe, Given(x, y, lengths))
        return None if made is None or described(made) == described(recipe) else made


CHANGES: dict[str, Change] = {}
"""Every change by its key."""


def change(name: str, *, family: str = "", trains: bool = False) -> Callable[[Edit], Edit]:
    """Put a function into the catalogue, by its own name."""

    def register(function: Edit) -> Edit:
        key = function.__name__
        CHANGES[key] = Change(
            key, name, inspect.cleandoc(function.__doc__ or ""), function, family, trains
        )
        return function

    return register


def combined(changes: tuple[Change, ...]) -> Change:
    """One change after the other; it does not apply where one of them does not."""
    if len(changes) == 1:
        return changes[0]

    def all_of_them(recipe: Recipe, data: Given) -> Recipe | None:
        found: Recipe | None = recipe
        for each in changes:
            found = None if found is None else each.edit(found, *data)
        return found

    return Change(
        "+".join(each.key for each in changes),
        " + ".join(each.name for each in changes),
        " ".join(each.why for each in changes),
        all_of_them,
        trains=any(each.trains for each in changes),
    )


def ordered(keys: Iterable[str]) -> tuple[str, ...]:
    """Keys of changes in the order in which they are made together: that of the catalogue."""
    there = set(keys)
    return tuple(key for key in CHANGES if key in there)


def changes_of(keys: Iterable[str]) -> tuple[Change, ...]:
    """The changes of keys."""
    return tuple(CHANGES[key] for key in keys)


def clash(keys: Sequence[str]) -> bool:
    """Whether two changes would undo each other, or there is but one."""
    families = [CHANGES[key].family or key for key in keys]
    return len(set(families)) < len(families) or len(keys) < 2


def described(recipe: Recipe) -> tuple[Any, ...]:
    """What makes one recipe another."""
    return (
        [*map(writing.layer_call, recipe.layers)],
        repr(recipe.compiling),
        repr(recipe.fitting),
        [*map(type, recipe.preparation)],
        sorted(recipe.kept),
        recipe.input_shape,
    )
