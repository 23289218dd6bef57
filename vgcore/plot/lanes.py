"""The axis of values of a distribution: its bins, and beside them lanes of what no bin holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from vgcore.plot import bins, palette, style
from vgcore.plot.bins import Binned

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT = "-inf", "zero"  # of the bins, as they would stand on the axis
_LANE = 0.06  # of the axis at least
_GAP = 0.4  # of a lane's width, between it and what is beside it
_LETTER = 0.62  # of its size is a letter's width, about
_NARROWEST = 1.5  # points: a bin that is always seen, whatever the resolution
_LAID_OUT = 0.7  # of a new panel's width is left when large legends have their room


class Lane(NamedTuple):
    """Where what no bin holds stands on the axis of values."""

    begin: float
    end: float

    @property
    def middle(self) -> float:
        return (self.begin + self.end) / 2


def places(ax: Axes, binned: Binned, *, wide: int, upright: bool = False) -> dict[str, Lane]:
    """Lanes left and right of the bins, with room for their names and for ``wide`` letters.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    binned : Binned
    wide : int
    upright : bool
        Whether the axis of values is y.
    """
    low, high = (float(edge) for edge in binned.edges[[0, -1]])
    share, rest = _shares(ax, binned, wide=wide, upright=upright)
    width = share * (high - low) / rest
    found: dict[str, Lane] = {}
    left = [name for name in bins.SIGNS if name in binned.lanes and name in _LEFT]
    right = [name for name in bins.SIGNS if name in binned.lanes and name not in _LEFT]
    for place, name in enumerate(reversed(left)):
        end = low - width * (_GAP + (1 + _GAP) * place)
        found[name] = Lane(end - width, end)
    for place, name in enumerate(right):
        begin = high + width * (_GAP + (1 + _GAP) * place)
        found[name] = Lane(begin, begin + width)
    return found


def wide_enough(ax: Axes, binned: Binned, *, wide: int, upright: bool = False) -> Binned:
    """The histograms, bins of powers of two joined so far that none is too narrow to be seen.

    The arguments are those of `places`.
    """
    _, rest = _shares(ax, binned, wide=wide, upright=upright)
    return bins.joined(binned, max(1.0, rest * _length(ax, upright=upright) / _NARROWEST))


def _shares(ax: Axes, binned: Binned, *, wide: int, upright: bool) -> tuple[float, float]:
    """What share of the axis a lane takes, and all bins together."""
    lane = _LANE if upright else max(_LANE, _room(ax, [*map(bins.SIGNS.get, binned.lanes)], wide))
    return lane, max(1 - lane * (1 + _GAP) * len(binned.lanes), 0.3)


def _room(ax: Axes, names: list[Any], wide: int) -> float:
    """What share of the axes' width so many letters take."""
    return max([wide, *(len(name) for name in names)]) * _letter(ax) / _length(ax, upright=False)


def _letter(ax: Axes) -> float:
    """How many points a letter is wide."""
    from matplotlib import rcParams

    return _LETTER * float(rcParams["font.size"]) * style.smallness(ax)


def _length(ax: Axes, *, upright: bool) -> float:
    """How many points the axis of values is long, when all is laid out."""
    box = ax.get_window_extent()
    return (
        max(1.0, _LAID_OUT * (box.height if upright else box.width)) / style.figure_of(ax).dpi * 72
    )


def shade(ax: Axes, lanes: dict[str, Lane]) -> None:
    """Set the lanes apart from the axis of values."""
    for lane in lanes.values():
        ax.axvspan(lane.begin, lane.end, color=ground(), linewidth=0, zorder=0)


def ground() -> str:
    """The colour behind what is in a lane."""
    return palette.faint(0.07)


def name(ax: Axes, binned: Binned, lanes: dict[str, Lane], *, upright: bool = False) -> None:
    """Name powers of two or values, and lanes, and have the axis show all of them."""
    from matplotlib.ticker import FuncFormatter

    from vgcore.plot.ticks import Apart

    axis = ax.yaxis if upright else ax.xaxis
    ends = [float(binned.edges[0]), float(binned.edges[-1])]
    for each in (ax.get_shared_y_axes() if upright else ax.get_shared_x_axes()).get_siblings(ax):
        if each.has_data():
            ends += map(float, each.dataLim.intervaly if upright else each.dataLim.intervalx)
    ends += [edge for lane in lanes.values() for edge in lane]
    room = 0.0 if upright else 0.02 * (max(ends) - min(ends))
    (ax.set_ylim if upright else ax.set_xlim)(min(ends) - room, max(ends) + room)
    if lanes or binned.log:
        needed = (2 if upright else 4) * _letter(ax) / _length(ax, upright=upright)
        ticks, names = _ticks(binned, lanes, apart=needed * (max(ends) - min(ends)))
        named = dict(zip(ticks, names, strict=True))
        kept = {lane.middle: bins.SIGNS[each] for each, lane in lanes.items()}
        axis.set_major_locator(Apart(list(kept), ticks))
        axis.set_major_formatter(FuncFormatter(lambda place, _: (named | kept).get(place, "")))


def _ticks(
    binned: Binned, lanes: dict[str, Lane], *, apart: float
) -> tuple[list[float], list[str]]:
    """Some of the bins' places, so far apart that their names do not touch, and what they are called."""
    from matplotlib.ticker import MaxNLocator

    if not binned.shares.any():
        return [], []
    low, high = (float(edge) for edge in binned.edges[[0, -1]])
    most = max(1, min(6, int((high - low) / (1.2 * apart))))
    found = MaxNLocator(most, integer=binned.log, steps=[1, 2, 4, 5, 10]).tick_values(low, high)
    near = 0.05 * (high - low)  # names of lanes stand where there are any
    low += near * any(lane.end <= low for lane in lanes.values())
    high -= near * any(lane.begin >= high for lane in lanes.values())
    ticks = [float(tick) for tick in found if low <= tick <= high]
    ticks = ticks[:: -max(1, math.ceil(apart / (found[1] - found[0])))][::-1]
    if binned.log:
        return ticks, [rf"$\mathdefault{{2^{{{tick:.0f}}}}}$" for tick in ticks]
    return ticks, [f"{tick:.4g}" for tick in ticks]


def said(axis: str, binned: Binned) -> str:
    """The label of the axis of values, and how much a bin holds where neighbours are joined."""
    joined = binned.log and binned.powers > 1
    return f"{axis}\neach bin: {binned.powers} powers of two" if joined else axis


def count(ax: Axes, binned: Binned) -> None:
    """Say below the axes how many elements are in the lanes, and what share of all drawn that is."""
    whole = max(int(binned.total.sum()), 1)
    said = [
        f"{bins.SIGNS[name]}: {number:,} ({bins.percent(number / whole)})"
        for name, number in binned.counts.items()
    ]
    ax.set_xlabel("\n".join([ax.get_xlabel(), *said]))
