"""What was tried, as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _html
from vgcore._frames import dataframe
from vgcore.diagnosis.changes import Given
from vgcore.diagnosis.preparation import Data
from vgcore.diagnosis.race import Kind, Result
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.score import ROOM
from vgcore.model import Sequential

if TYPE_CHECKING:
    from pandas import DataFrame

Array = NDArray[Any]

MARGIN = 0.01
"""By how much a score must be above another to be called better, beside the ranges over seeds."""

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Tried:
    """One change, or several together, tried from several seeds.

    Attributes
    ----------
    name : str
    kind : {"change", "none", "random", "reference"}
        A change that was suggested; no change; one drawn from the catalogue by chance; or a plain network.
    changes : tuple of str
        Keys in `vgcore.diagnosis.changes.CHANGES`.
    recipe : Recipe
        Fitted to the rows that were trained with.
    results : tuple of Result
        Of each seed.
    data : Given
        All data, which a network that is made of it is prepared by.
    classes : bool
        Whether the score is accuracy.
    place : int
        In the order of what was tried, which is that of suggestion.
    held : int
        Rows that were held out; 0 where none were.
    """

    name: str
    kind: Kind
    changes: tuple[str, ...]
    recipe: Recipe
    results: tuple[Result, ...]
    data: Given
    classes: bool
    place: int = 0
    held: int = 0

    def __repr__(self) -> str:
        """Show the change, and how well it did."""
        return f"Tried({self.name!r}, score {_range([result.score for result in self.results])})"

    @property
    def score(self) -> float:
        """Median over the seeds of accuracy, or of 1 - mean squared error over variance."""
        return float(median(result.score for result in self.results))

    @property
    def low(self) -> float:
        """The worst score."""
        return min(result.score for result in self.results)

    @property
    def high(self) -> float:
        """The best score."""
        return max(result.score for result in self.results)

    @property
    def diverged(self) -> int:
        """Runs whose loss or gradient was not finite."""
        return sum(result.diverged for result in self.results)

    @property
    def loss(self) -> float:
        """Median over the seeds of the held-out loss, as compiled; infinite where most diverged."""
        return float(median(self._losses()))

    def _losses(self) -> list[float]:
        return [math.inf if result.diverged else result.loss for result in self.results]

    @property
    def gradient_ratio(self) -> float:
        """Median over the seeds; NaN where it is of none."""
        found = [r.gradient_ratio for r in self.results if not math.isnan(r.gradient_ratio)]
        return float(median(found)) if found else math.nan

    @property
    def seconds(self) -> float:
        """Median over the seeds of the time that training took."""
        return float(median(result.seconds for result in self.results))

    @property
    def steps(self) -> int:
        """That each was to be trained for: those of the seed that has done most."""
        return max(result.steps for result in self.results)

    def apply(self, seed: Any = None) -> Sequential:
        """The changed network, compiled and not trained."""
        return self.whole.build(seed)

    @property
    def whole(self) -> Recipe:
        """The recipe fitted to all data, held-out rows too."""
        return self.recipe.fitted(*self.data)

    def code(self) -> str:
        """The lines that make the changed network of arrays x and y, and train it for as many steps."""
        batch = self.recipe.fitting["batch_size"]
        epochs = math.ceil(self.steps / math.ceil(len(self.data.x) / batch))
        return self.recipe.code(epochs=max(epochs, 1))

    def prepare(
        self, x: ArrayLike, y: ArrayLike | None = None, lengths: ArrayLike | None = None
    ) -> Data:
        """x, y and lengths as the changed network is to be fed with them."""
        return self.whole.prepare(x, y, lengths)

    def scores(self, floor: float) -> Array:
        """Of each seed; less than ``floor`` counts as that, for nothing that fails is worse than chance."""
        return np.array([max(result.score, floor) for result in self.results])

    def better_than(self, other: Tried, floor: float = -math.inf) -> bool:
        """Whether a fresh start is expected to score higher by more than luck: the difference of the means
        over the seeds is above its standard error and that of the rows.

        An accuracy p of n held-out rows has a standard error of sqrt(p (1 - p) / n).
        """
        every = np.append(self.scores(floor), other.scores(floor))
        finite = every[np.isfinite(every)]
        if not len(finite):
            return False
        pair = [each.scores(max(floor, finite.min() - 1)) for each in (self, other)]
        errors = [_standard_error(scores) for scores in pair]
        if self.held and self.classes:
            p = float(np.clip(np.mean([scores.mean() for scores in pair]), 0.0, 1.0))
            errors.append(math.sqrt(p * (1 - p) / self.held))
        luck = MARGIN + math.hypot(*errors)
        return bool(pair[0].mean() - pair[1].mean() > luck)

    def as_good_as(self, other: Tried) -> bool:
        """Whether each one's median is in the other's range, or both are all but alike."""
        near = self.score >= other.score - MARGIN
        return near or (self.score >= other.low and self.high >= other.score)

    def to_row(self, equal: bool) -> dict[str, Any]:
        """The numbers; infinite and NaN where there are none."""
        losses = self._losses()
        none = not self.classes
        return {
            "change": self.name,
            "kind": self.kind,
            "score": self.score,
            "score_low": self.low,
            "score_high": self.high,
            "loss": self.loss,
            "loss_low": min(losses),
            "loss_high": max(losses),
            "accuracy": None if none else max(self.score, 0.0),
            "accuracy_low": None if none else max(self.low, 0.0),
            "accuracy_high": None if none else max(self.high, 0.0),
            "gradient_ratio": self.gradient_ratio,
            "seconds": self.seconds,
            "steps": self.steps,
            "seeds": len(self.results),
            "diverged": self.diverged,
            "equal": equal,
        }


@dataclass(frozen=True, eq=False, repr=False)
class Trials(Sequence[Tried]):
    """Rows in order of their scores; those that are as good as the best, the simplest first.

    Attributes
    ----------
    rows : tuple of Tried
    not_tried : tuple of str
        Changes that did not fit into the time, or not to the data.
    notes : tuple of str
        How to read it.
    measure : str
        What a score is, in words.
    chance : float
        What the best constant answer scores.
    luck : float
        What a score may be above that by luck.
    """

    rows: tuple[Tried, ...]
    not_tried: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    measure: str = "score"
    chance: float = -math.inf
    luck: float = ROOM

    def __getitem__(self, place: Any) -> Any:
        """A row."""
        return self.rows[place]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @property
    def none(self) -> Tried:
        """No change."""
        return next(row for row in self.rows if row.kind == "none")

    def equal(self, row: Tried) -> bool:
        """Whether a row is as good as the best one, given the seeds."""
        best = max(filter(self.compared, self.rows), key=lambda each: each.score)
        return self.compared(row) and row.as_good_as(best)

    def compared(self, row: Tried) -> bool:
        """Whether a row was trained as long as no change was, and from as many seeds; what was given up was
        not.
        """
        long = row.steps >= self.steps or row.diverged == len(row.results)
        return long and len(row.results) >= len(self.none.results)

    @property
    def steps(self) -> int:
        """That each was trained for which is compared: as many as no change, unless that diverged."""
        none = self.none
        return max(row.steps for row in self.rows) if none.diverged else none.steps

    @property
    def best(self) -> Tried | None:
        """The simplest change that does as well as the best, and better than no change and chance, if any.

        What is compared is what a fresh start is expected to reach.
        """
        better = [
            row
            for row in self.rows
            if row.kind in ("change", "random")
            and self.compared(row)
            and self.learns(row)
            and row.better_than(self.none, self.chance)
        ]
        if not better:
            return None
        reached = [float(row.scores(self.chance).mean()) for row in better]
        enough = max(reached) - MARGIN - _ROUNDING
        as_good = (row for row, mean in zip(better, reached, strict=True) if mean >= enough)
        return min(as_good, key=lambda row: (len(row.changes), row.kind == "random", row.place))

    def learns(self, row: Tried) -> bool:
        """Whether it scores above chance by more than luck."""
        return row.score > self.chance + self.luck

    def mark(self, row: Tried, best: Tried | None) -> str:
        """Whether a row is the best, or as good, in words; empty of one that is not, or learns nothing."""
        if row is best:
            return "best"
        if row.kind == "reference":
            return ""
        return "as good" if self.equal(row) and self.learns(row) else ""

    def to_rows(self) -> list[dict[str, Any]]:
        """Each row's numbers as floats; infinite losses are of runs that diverged."""
        return [row.to_row(self.equal(row)) for row in self.rows]

    def to_dataframe(self) -> DataFrame:
        """The table for pandas, a row for each change."""
        rows = self.to_rows()
        return dataframe({name: [row[name] for row in rows] for name in rows[0]})

    def __str__(self) -> str:
        """The table, as a terminal shows it."""
        head, *rows = lines = [HEAD, *self._cells()]
        widths = [max(len(row[i]) for row in lines) for i in range(len(head))]
        told = [
            "  ".join(
                cell.ljust(width) if place < _WORDS else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (head, *rows)
        ]
        return "\n".join([*told, *self._feet()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table, as a notebook shows it."""
        return _html.table("Cures that were tried", HEAD, self._cells(), " ".join(self._feet()))

    def _cells(self) -> Iterator[list[str]]:
        for row in self.rows:
            mark = self.mark(row, self.best)
            kind = "" if row.kind == "change" else row.kind
            ranges = [_range([r.score for r in row.results]), _range(row._losses())]
            seeds = f"{len(row.results)}" + (f", {row.diverged} diverged" if row.diverged else "")
            yield [
                row.name,
                kind if kind != "none" else "",
                mark,
                *ranges,
                "" if math.isnan(row.gradient_ratio) else f"{row.gradient_ratio:.1e}",
                f"{row.steps:,}",
                f"{row.seconds:.2g} s",
                seeds,
            ]

    def _feet(self) -> Iterator[str]:
        yield f"Score: {self.measure}. Median over the seeds (least to most)."
        yield "Gradient ratio: that of the first layer over that of the last."
        yield from self.notes
        if self.not_tried:
            yield f"Not tried: {', '.join(self.not_tried)}."


_WORDS = 3  # columns of them
HEAD = ["change", "", "", "score", "loss", "gradient ratio", "steps", "time", "seeds"]


def _standard_error(scores: Array) -> float:
    """Of their mean; 0 of a single one."""
    return float(scores.std(ddof=1) / math.sqrt(len(scores))) if len(scores) > 1 else 0.0


def _range(values: list[float]) -> str:
    return spread(median(values), min(values), max(values), "{:.3g}".format)


def spread(middle: float, low: float, high: float, told: Callable[[float], str]) -> str:
    """A median, and the least and the most; ``told`` writes a number."""
    if not math.isfinite(middle):
        return "diverged"
    ends = [told(each) if math.isfinite(each) else "diverged" for each in (low, high)]
    return f"{told(middle)} ({ends[0]} to {ends[1]})"
