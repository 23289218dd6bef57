"""A table in colours: the mean of one column over two others."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore.flow import Internals
from vgcore.plot import cells, style, text
from vgcore.plot.cells import Colours, Sheet
from vgcore.plot.fields import Array, Field
from vgcore.sweeps.table import Table, column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_DECADES = 100.0  # a factor from which on numbers stand on a log axis
_TOLD = 8  # values that an axis names one by one


class Places(NamedTuple):
    """Where the values of a column stand: at numbers, or side by side with ``names``."""

    column: str
    of: list[int]  # of each row of the table: which place
    at: Array
    names: list[str] | None = None

    @property
    def log(self) -> bool:
        """Whether they stand on a log axis."""
        if self.names is not None:
            return False
        low, high = self.at[0], self.at[-1]
        return bool(low > 0 and high > _DECADES * low)


class Cells(NamedTuple):
    """What is drawn."""

    about: Field
    sheet: Sheet
    x: Places
    y: Places


def is_table(source: Any) -> bool:
    """Whether it has columns with names, and is not what a network was seen to do."""
    if isinstance(source, Internals):  # a mapping, too
        return False
    frame = hasattr(source, "columns") and hasattr(source, "to_numpy")
    return frame or isinstance(source, Table | Mapping)


def cells_of(table: Any, x: Any, y: Any, value: Any, log: bool) -> Cells:
    """The means of a column over two others; ValueError where there is none of such a name."""
    across, up = _places(x, column(table, "x", x)), _places(y, column(table, "y", y))
    values = column(table, "value", value)
    if not len(across.of) == len(up.of) == len(values):
        raise ValueError("source: expected columns of one length")
    shape = len(up.at), len(across.at)
    sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
    for row, place, each, failed in zip(up.of, across.of, values, _failed(table), strict=True):
        if each is None or failed:
            continue
        if not isinstance(each, numbers.Real):
            raise ValueError(f"value: expected a column of numbers, got {each!r} in {value!r}")
        sums[row, place] += float(each)
        counts[row, place] += 1
    present = counts > 0
    with np.errstate(invalid="ignore"):
        means = np.where(present, sums / np.maximum(counts, 1), np.nan)
    sheet = Sheet(means, present, across.at, up.at, (across.log, up.log))
    return Cells(Field(str(value), _told(str(value), counts[present]), log), sheet, across, up)


def _told(value: str, counts: Any) -> str:
    """The name of a mean, and of how many runs it is."""
    if not counts.size or counts.max() == 1:
        return value
    least, most = counts.min(), counts.max()
    return f"{value}, mean of {most if least == most else f'{least} to {most}'} runs"


def _failed(table: Any) -> list[bool]:
    """Of each row whether it is of a run that has failed, which a DataFrame has NaN for."""
    try:
        return [each == "failed" for each in column(table, "status", "status")]
    except ValueError:
        return [False] * len(column(table, "x", next(iter(table))))


def _places(name: Any, values: Sequence[Any]) -> Places:
    """Where each row stands; what is missing, or no number, stands by its name."""
    values = [None if isinstance(v, numbers.Real) and np.isnan(float(v)) else v for v in values]
    if values and all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in values):
        at = sorted({float(v) for v in values})
        where = {each: place for place, each in enumerate(at)}
        return Places(str(name), [where[float(v)] for v in values], np.array(at))
    named = ["none" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    names = list(dict.fromkeys(named))
    return Places(
        str(name), [names.index(each) for each in named], np.arange(len(names), dtype=float), names
    )


def draw(ax: Axes, table: Cells, colours: Colours, legend: bool) -> Axes:
    """Draw the cells, and name what they are."""
    if not table.sheet.values.size:
        style.say(ax, "no row")
        return ax
    for set_scale, log in zip((ax.set_xscale, ax.set_yscale), table.sheet.logs, strict=True):
        if log:
            set_scale("log")
    drawn = cells.draw([ax], table.about, [table.sheet], colours)
    drawn.cells.set_gid("vgcore.cells")
    ax.set(title=table.about.title, xlabel=table.x.column, ylabel=table.y.column)
    _name(ax, ax.xaxis, table.x)
    _name(ax, ax.yaxis, table.y)
    cells.bar(drawn, table.about, [ax])
    style.fit_text(ax)
    handles, labels = cells.named(drawn, "no result")
    if legend and handles:
        style.legend_below(ax, handles, labels)
    return ax


def _name(ax: Axes, axis: Axis, places: Places) -> None:
    """Name each of a few places; many numbers get numbers of matplotlib's."""
    from vgcore.plot import ticks

    if places.names is not None:
        if axis is ax.yaxis:
            style.name_rows(ax, places.names)
        else:
            most = int(style.room(ax)[0] / (text.CHARACTER * ticks.size(axis) * len(places.names)))
            names = text.shortened(places.names, max(most, style.SHORTEST))
            ticks.name(axis, names, 2 * style.MOST_NAMES)
    elif places.log:
        ticks.number_decades(axis)
    elif len(places.at) <= _TOLD and _apart(places.at):
        axis.set_ticks(list(places.at), labels=[f"{each:g}" for each in places.at])


def _apart(at: Array) -> bool:
    """Whether there is room to name each of some places."""
    return len(at) == 1 or bool(np.diff(at).min() * 2 * _TOLD > at[-1] - at[0])
