"""Which rows are trained with, and which are held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis import targets
from vgcore.diagnosis.changes import Given
from vgcore.diagnosis.changes.data import is_sparse, takes_numbers
from vgcore.diagnosis.recipe import Recipe

HELD_OUT = 4
"""One of so many rows is held out."""
_FEW, _MOST_HELD = 20, 2_000  # rows below which none are held out; that are judged on

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Rows:
    """The data of a trial: those to train with, and those held out.

    Attributes
    ----------
    train, held : Given
    kind : str
        Of the targets, in `vgcore.diagnosis.targets`: "numbers", or a kind of classes.
    """

    train: Given
    held: Given
    kind: targets.Kind

    @property
    def apart(self) -> bool:
        """Whether rows are held out; few are trained and judged on alike."""
        return self.held is not self.train


def leaves_one(rows: int, batch: int) -> bool:
    """Whether the last minibatch would be a single row, which has no statistics."""
    return rows > batch and rows % batch == 1


def split(recipe: Recipe, data: Given, rng: np.random.Generator) -> Rows:
    """A quarter of the rows held out, of each class as many."""
    x, y = data.x, data.y
    sparse = is_sparse(recipe)
    numeric = y.dtype.kind in "fiub" and y.ndim >= 1
    kind: targets.Kind = targets.kind_of(y, sparse=sparse) if numeric else "numbers"
    classes = targets.classes_of(y, kind) if kind in ("labels", "one_hot", "binary") else None
    if kind == "numbers" and numeric and not takes_numbers(recipe):
        classes = targets.as_labels(y)
        kind = "numbers" if classes is None else "labels"
    train, held = apart(len(x), classes, rng)
    return Rows(data, data, kind) if train is held else Rows(data.of(train), data.of(held), kind)


def _share(rows: int) -> int:
    """How many of a class are held out: a quarter, but one at least where one is left."""
    return max(rows // HELD_OUT, int(rows > 1))


def apart(
    rows: int, classes: NDArray[np.integer] | None, rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Numbers of the rows to train with, and of a quarter that is held out, of each class as many; of few
    rows all of them, twice.
    """
    every = np.arange(rows)
    if rows < _FEW:
        return every, every
    order = rng.permutation(rows)
    if classes is not None and len(classes) == rows:
        groups = [order[classes[order] == each] for each in np.unique(classes)]
    else:
        groups = [order]
    held = np.sort(np.concatenate([group[: _share(len(group))] for group in groups]))
    if not len(held):
        held = np.sort(order[: rows // HELD_OUT])
    return np.setdiff1d(every, held), np.sort(rng.permutation(held)[:_MOST_HELD])
