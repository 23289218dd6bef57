"""A change that may cure a network, for a network that is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import ArrayLike

from vgcore.diagnosis.changes import CHANGES, Change, Given
from vgcore.diagnosis.preparation import Data
from vgcore.diagnosis.recipe import Recipe
from vgcore.model import Sequential


@dataclass(frozen=True, repr=False)
class Suggestion:
    """A change of a network, or of what it is fed with.

    Attributes
    ----------
    change : Change
    before : Recipe
        Of the network.
    data : Given
        That it is trained with.
    """

    change: Change
    before: Recipe
    data: Given

    def __repr__(self) -> str:
        """Show what it changes."""
        return f"Suggestion({self.name!r})"

    @property
    def name(self) -> str:
        """The change in a few words."""
        return self.change.name

    @cached_property
    def recipe(self) -> Recipe:
        """Of the changed network. A range test is done when this is asked for."""
        made = self.change.edit(self.before, *self.data)
        return self.before if made is None else made

    def apply(self, model: Sequential | None = None) -> Sequential:
        """A network with the change, compiled and not trained.

        Parameters
        ----------
        model : Sequential, optional
            Change this one's recipe, instead of that of the network that was diagnosed; it stays as it is.

        Raises
        ------
        ValueError
            If the change does not apply to ``model``.
        """
        if model is None:
            return self.recipe.build()
        made = self.change.edit(Recipe.of(model, **self.before.fitting), *self.data)
        if made is None:
            raise ValueError(
                f"model: expected one that {self.name!r} changes, got one where it applies to nothing"
            )
        return made.build()

    def code(self) -> str:
        """The lines that make the changed network, of arrays x and y."""
        return self.recipe.code()

    def prepare(
        self, x: ArrayLike, y: ArrayLike | None = None, lengths: ArrayLike | None = None
    ) -> Data:
        """x, y and lengths as the changed network is to be fed with them."""
        return self.recipe.prepare(x, y, lengths)

    def to_dict(self) -> dict[str, Any]:
        """Key, name and code, as JSON can hold them."""
        return {"key": self.change.key, "name": self.name, "code": self.code()}


def suggestions(recipe: Recipe, keys: Iterable[str], data: Given) -> tuple[Suggestion, ...]:
    """A suggestion for each of the changes that applies, in order."""
    found = (Suggestion(CHANGES[key], recipe, data) for key in dict.fromkeys(keys))
    return tuple(each for each in found if each.change.trains or _applies(each, recipe))


def _applies(suggestion: Suggestion, recipe: Recipe) -> bool:
    """Whether it changes a network, and into one that can be."""
    if suggestion.recipe is recipe:
        return False
    try:
        suggestion.recipe.build(0)
    except ValueError:
        return False
    return True
