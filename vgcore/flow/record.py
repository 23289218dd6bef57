"""What a record is made of: its fields, what it is declared for, and columns that grow.

Whoever measures declares layers and their walks once, then hands over `Steps`. The engine hands over a
`Source`, which makes them when somebody reads, so that recording costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FIELDS = (
    *("delta", "activation_mean", "activation_std", "saturated", "dead"),
    *("delta_skip", "delta_body"),
    *("weight_grad", "bias_grad", "weight_norm", "update_ratio"),
    *("weight_grad_applied", "bias_grad_applied"),
)
"""Of each layer, (S, L)."""

DISTRIBUTION_FIELDS = ("delta", "weight_grad", "activation", "update_ratio")
"""Of the numbers of each layer: how many there are of each sign and binary exponent."""

UNIT_FIELDS = ("unit_delta", "unit_weight", "unit_saturated", "unit_dead")
"""Of each unit of a layer, (P, units)."""

PARTS = ("distributions", "units")
"""What is recorded of some of the steps alone."""

GATE_FIELDS = ("time_gate", "time_saturated")
TIME_FIELDS = ("time", "time_direct", "time_cell", *GATE_FIELDS)
"""Of each walk through time, (S, T), and of each of its gates, (S, T, G)."""


class Walk(NamedTuple):
    """One walk of a recurrent layer through time: its gates, and whether it carries a cell state."""

    gates: tuple[str, ...]
    cell: bool = False

    def fields(self) -> tuple[str, ...]:
        """The fields of time that it has."""
        return tuple(name for name in TIME_FIELDS if self.cell or name != "time_cell")


@dataclass(frozen=True)
class Declaration:
    """The layers that a record has columns for, and the walks of those that are recurrent, by name."""

    layers: tuple[str, ...] = ()
    walks: Mapping[str, Walk] = field(default_factory=dict)

    def empty_part(self, name: str) -> Part:
        """None of a part of `PARTS`."""
        layers = len(self.layers)
        columns: dict[Any, NDArray[Any]] = {}
        if name == "units":
            columns.update(
                {(each, layer): np.empty((0, 0)) for each in UNIT_FIELDS for layer in self.layers}
            )
            return Part(np.empty(0, np.int64), columns)
        for field_ in DISTRIBUTION_FIELDS:
            columns[field_, "lowest"] = np.empty((0, layers), np.int16)
            columns[field_, "counts"] = np.empty((0, layers, 0, 2), np.uint8)
            columns[field_, "special"] = np.empty((0, layers, 4), np.uint8)
        return Part(np.empty(0, np.int64), columns)

    def empty(self) -> Steps:
        """No steps."""
        time = {
            (name, walk): np.empty((0, 0, len(about.gates)) if name in GATE_FIELDS else (0, 0))
            for walk, about in self.walks.items()
            for name in about.fields()
        }
        fields = {name: np.empty((0, len(self.layers))) for name in FIELDS}
        return Steps(np.empty(0, np.int64), np.empty(0), fields, time)


class Part(NamedTuple):
    """What is told of some of the steps, one of `PARTS`.

    Attributes
    ----------
    place : ndarray of int64, (P,)
        Which of the steps, rising.
    columns : dict to ndarray, (P, ...)
        Of distributions, by (field, what): "lowest" (P, L), the exponent that counts begin with;
        "counts" (P, L, W, 2), positive and negative numbers of 2^k <= abs(x) < 2^(k+1) for each exponent k
        from there on; "special" (P, L, 4), zeros, NaN, inf and -inf. Of units, by (field of `UNIT_FIELDS`,
        layer): (P, units).
    """

    place: NDArray[np.int64]
    columns: dict[Any, NDArray[Any]]

    def of(self, steps: range) -> Part:
        """What it tells of some of the steps."""
        mine = np.isin(self.place, np.arange(steps.start, steps.stop, steps.step))
        place = (self.place[mine] - steps.start) // steps.step
        return Part(place, {name: rows[mine] for name, rows in self.columns.items()})


class Steps(NamedTuple):
    """S recorded steps.

    Attributes
    ----------
    step : ndarray of int64, (S,)
    loss : ndarray, (S,)
    fields : dict of str to ndarray, (S, L)
        One for each of `FIELDS`.
    time : dict of (str, str) to ndarray, (S, T) or (S, T, G)
        By field of `TIME_FIELDS` and walk.
    parts : dict of str to Part
        Those that are recorded.
    """

    step: NDArray[np.int64]
    loss: Array
    fields: dict[str, Array]
    time: dict[tuple[str, str], Array]
    parts: Mapping[str, Part] = MappingProxyType({})

    @classmethod
    def of(cls, columns: Mapping[Any, NDArray[Any]], parts: Mapping[str, Part]) -> Steps:
        """Of every array by what it is called in a record."""
        time = {name: rows for name, rows in columns.items() if isinstance(name, tuple)}
        fields = {name: columns[name] for name in FIELDS}
        return cls(columns["step"], columns["loss"], fields, time, parts)

    def columns(self) -> dict[Any, Array]:
        """Every array but those of parts, by what it is called in a record."""
        columns: dict[Any, Any] = {"step": self.step, "loss": self.loss}
        return {**columns, **self.fields, **self.time}


class ByWalk(dict[str, Any]):
    """Arrays by walk or layer; a name that is not there is answered with those that begin so."""

    def __missing__(self, name: str) -> Any:
        """Name those there are."""
        inner = [walk for walk in self if walk.startswith(f"{name}.")]
        if inner:
            raise KeyError(f"{name}: it has {' and '.join(inner)}")
        raise KeyError(
            f"{name}: expected one of {', '.join(self) or 'none, for no layer walks through time'}"
        )


class Source(Protocol):
    """Steps that somebody is measuring, or has measured if it is not ``open`` any more."""

    open: bool

    def take(self) -> Steps:
        """The steps that are complete and have not been taken yet."""

    def took(self, count: int) -> None:
        """So many of them are in the record now."""

    def last(self) -> Steps | None:
        """The last step that is complete, taken or not, without its parts."""


class Column:
    """Rows that grow at the end, with room in reserve: n rows cost O(n) however they come.

    Rows (S, T, ...) of time may grow in T; what is behind a shorter one is NaN, of integers 0. These are of
    the smallest dtype that holds all.
    """

    def __init__(self, rows: NDArray[Any]) -> None:
        self._rows = rows
        self._count = len(rows)

    @property
    def rows(self) -> NDArray[Any]:
        """All rows; read-only, for they are what was measured."""
        rows = self._rows[: self._count]
        rows.flags.writeable = False
        return rows

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows of the same shape, or of another number of timesteps."""
        self.make_room(rows)
        count = self._count + len(rows)
        self._rows[self._count : count][_corner(rows)] = rows
        self._count = count

    def make_room(self, rows: NDArray[Any]) -> None:
        """Take the memory that `append` needs; MemoryError leaves all as it was."""
        count = self._count + len(rows)
        widest = tuple(map(max, self._rows.shape[1:], rows.shape[1:]))
        dtype = np.promote_types(self._rows.dtype, rows.dtype)
        if count > len(self._rows) or widest != self._rows.shape[1:] or dtype != self._rows.dtype:
            room = np.full(
                (max(count, self._count * 3 // 2), *widest),
                np.nan if dtype.kind == "f" else 0,
                dtype,
            )
            room[_corner(self.rows)] = self.rows
            self._rows = room


def _corner(rows: NDArray[Any]) -> tuple[slice, ...]:
    return tuple(slice(size) for size in rows.shape)


def columns_of(steps: Steps) -> dict[Any, Column]:
    """A growing column that begins with each array of ``steps``."""
    return {name: Column(array) for name, array in steps.columns().items()}


class GrowingPart:
    """A `Part` of a record to which steps are added."""

    def __init__(self, part: Part) -> None:
        self._place = Column(part.place)
        self._columns = {name: Column(rows) for name, rows in part.columns.items()}

    @property
    def rows(self) -> Part:
        """All that is recorded."""
        return Part(self._place.rows, {name: column.rows for name, column in self._columns.items()})

    def make_room(self, part: Part) -> None:
        """Take the memory that `append` needs; MemoryError leaves all as it was."""
        self._place.make_room(part.place)
        for name, rows in part.columns.items():
            self._columns[name].make_room(rows)

    def append(self, part: Part, before: int) -> None:
        """Add what is told of steps that have so many before them."""
        self._place.append(part.place + before)
        for name, rows in part.columns.items():
            self._columns[name].append(rows)
