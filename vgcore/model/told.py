"""What the engine writes of some of the recorded steps: their distributions, and what units do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vgcore._core.program import Program
from vgcore.flow import GradientFlow
from vgcore.flow.distributions import narrowed
from vgcore.flow.record import DISTRIBUTION_FIELDS, UNIT_FIELDS, Part
from vgcore.model.parameters import Layout

Array = NDArray[Any]

_HEAD, _SPECIAL = (
    3,
    4,
)  # words of an entry of distributions in front of its numbers; those that have no bin
_USUAL_EXPONENTS = 32  # of an entry: what room is made for


class Told(Protocol):
    """A part of the record, where the engine writes it of some of N steps."""

    def places(self) -> tuple[Array, ...]:
        """Where: what `Program.train` takes."""

    def close(self, steps: NDArray[np.int64]) -> None:
        """Give back the room that was not needed, when the engine has done the last of ``steps``."""

    def take(self, steps: NDArray[np.int64]) -> Part:
        """What is told of some of the steps."""


class _Rows:
    """Rows of an array, one for each of the wanted ones of N steps."""

    def __init__(self, wanted: NDArray[np.bool_], shape: tuple[int, ...], dtype: type) -> None:
        self.steps = wanted.nonzero()[0]
        self.numbers = np.where(wanted, np.cumsum(wanted, dtype=np.int64) - 1, -1)
        self.rows: Array = np.empty((len(self.steps), *shape), dtype)

    def close(self, steps: NDArray[np.int64]) -> None:
        """Keep those of ``steps`` alone."""
        mine = np.isin(self.steps, steps)
        self.steps, self.rows = self.steps[mine], self.rows[mine]

    def of(self, steps: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
        """Which of the steps have rows, and the rows."""
        mine = np.isin(self.steps, steps)
        return np.searchsorted(steps, self.steps[mine]), self.rows[mine]


class Bins(Told):
    """Distributions: of each operation and field an entry, as long as it has exponents (simd/tables.h)."""

    def __init__(self, layout: Layout, program: Program, wanted: NDArray[np.bool_]) -> None:
        about = np.finfo(program.dtype)
        self._smallest = int(about.minexp) - about.nmant  # exponent of the smallest number there is
        self._layout = layout
        self._places = _Rows(wanted, (len(layout.offsets), len(DISTRIBUTION_FIELDS)), np.int64)
        usual = self._places.rows.size * (_HEAD + _SPECIAL + 2 * _USUAL_EXPONENTS)
        self._entries = np.empty(program.tell_bins(layout.weights) + usual, np.uint16)

    def places(self) -> tuple[Array, ...]:
        """Where the engine writes."""
        return self._places.numbers, self._places.rows, self._entries

    def close(self, steps: NDArray[np.int64]) -> None:
        """Give back the room that was not needed."""
        self._places.close(steps)
        used = 0
        if len(self._places.rows):
            last = self._places.rows[-1, -1, -1]
            _, width, words = map(int, self._entries[last : last + _HEAD])
            used = last + _HEAD + words * (_SPECIAL + 2 * width)
        self._entries = self._entries[:used].copy()

    def take(self, steps: NDArray[np.int64]) -> Part:
        """What is told of some of the steps."""
        place, begins = self._places.of(steps)
        columns: dict[Any, Array] = {}
        for number, field in enumerate(DISTRIBUTION_FIELDS):  # in the engine's order
            begin = begins[:, self._layout.shown, number]
            first, width = (self._entries[begin + place].astype(np.int64) for place in (0, 1))
            numbers = narrowed(self._numbers(begin, _SPECIAL + 2 * width))
            lowest = np.where(width > 0, first + self._smallest, 0)
            columns[field, "lowest"] = lowest.astype(np.int16)
            columns[field, "special"] = narrowed(numbers[..., :_SPECIAL])
            most = (numbers.shape[-1] - _SPECIAL) // 2
            columns[field, "counts"] = numbers[..., _SPECIAL:].reshape(*width.shape, most, 2)
        return Part(place, columns)

    def _numbers(self, begin: NDArray[np.int64], lengths: NDArray[np.int64]) -> Array:
        """Those of entries, so many of each and zeros behind them."""
        words = self._entries[begin + 2].astype(np.int64)[..., np.newaxis]
        place = np.arange(lengths.max(initial=_SPECIAL))
        there = place < lengths[..., np.newaxis]
        at = np.where(there, begin[..., np.newaxis] + _HEAD + words * place, 0)
        numbers = self._entries[at].astype(np.int64)
        for word in range(1, 4):
            more = there & (words > word)
            numbers[more] |= self._entries[at[more] + word].astype(np.int64) << 16 * word
        return np.where(there, numbers, 0)


class Units(Told):
    """What units do: of each operation's units the numbers of `UNIT_FIELDS`."""

    def __init__(self, layout: Layout, program: Program, wanted: NDArray[np.bool_]) -> None:
        self._layout = layout
        units = program.tell_units(layout.weights)
        self._ends = np.cumsum(units)
        self._rows = _Rows(wanted, (sum(units), len(UNIT_FIELDS)), np.float64)

    def places(self) -> tuple[Array, ...]:
        """Where the engine writes."""
        return self._rows.numbers, self._rows.rows

    def close(self, steps: NDArray[np.int64]) -> None:
        """Give back the room that was not needed."""
        self._rows.close(steps)

    def take(self, steps: NDArray[np.int64]) -> Part:
        """What is told of some of the steps."""
        place, rows = self._rows.of(steps)
        of_operations = np.split(rows, self._ends[:-1], axis=1)
        columns: dict[Any, Array] = {}
        for column, (name, operation) in enumerate(
            zip(self._layout.columns, self._layout.shown, strict=True)
        ):
            mine = of_operations[operation].copy()
            if column in self._layout.slopeless:
                mine[:, :, 2:] = np.nan
            for number, field in enumerate(UNIT_FIELDS):
                columns[field, name] = mine[:, :, number]
        return Part(place, columns)


def told(
    flow: GradientFlow, layout: Layout, program: Program, first: int, count: int
) -> dict[str, Told]:
    """Where the engine writes the parts that a flow wants of steps first .. first + count - 1."""
    parts: dict[str, Told] = {}
    for name, kind in (("distributions", Bins), ("units", Units)):
        wanted = flow.wants_part(name, first, count)
        if wanted is not None and wanted.any():
            parts[name] = kind(layout, program, wanted)
    return parts
