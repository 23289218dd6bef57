"""Cells in colours; what a scale of colours cannot show has colours of its own, and is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.plot import palette
from vgcore.plot.curves import borders, counted, runs
from vgcore.plot.fields import Array, Field, Mask
from vgcore.plot.palette import few
from vgcore.plot.style import figure_of, fit_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

_MOST_CELLS = 400, 1000  # rows and columns, about what a screen can show
_MOST = 1e300  # of a colour bar: matplotlib computes beyond its ends
_LEAST = 1e-16  # of a colour bar's largest; down to float32's least, all colours would be one


class Kind(NamedTuple):
    """A kind of cell that the scale of colours does not hold; None is the ground's colour."""

    name: str
    colour: str | None
    hatch: str = ""

    @property
    def filling(self) -> str:
        """The colour: on a dark ground its own may be the scale's least."""
        if self.colour is not None:
            return self.colour
        return "#3a3a3a" if palette.on_dark() else "#ffffff"


# None of these is a colour of magma's. Where several cells fall together, the later one is shown.
KINDS = (
    Kind("no value", None),
    Kind("0", "#9ecae1"),
    Kind(f"less than {_LEAST:g} of the largest", "#bfbfbf"),
    Kind("below 0", "#31a354", "xx"),
    Kind(f"more than {_MOST:g}", "#00a08a"),
    Kind("infinite", "#00e5e5"),
    Kind("NaN", None, "////"),
)
_ABSENT, _ZERO, _LESS, _BELOW, _MORE, _INFINITE, _NAN = range(len(KINDS))


class Sheet(NamedTuple):
    """Values (rows, columns), where there are any, and what rows and columns stand at."""

    values: Array
    present: Mask
    x: Array
    y: Array


class Drawn(NamedTuple):
    """The coloured cells, of which a colour bar is made, and how many there are of each of `KINDS`."""

    cells: Any
    counts: NDArray[np.int64]


def draw(axes: Sequence[Axes], about: Field, sheets: Sequence[Sheet]) -> Drawn:
    """Draw a sheet on each of the axes, all on one scale."""
    from matplotlib import colormaps

    scale, least = _scale(about, [sheet.values[sheet.present] for sheet in sheets])
    counts = np.zeros(len(KINDS), np.int64)
    cells: Any = None
    for ax, sheet in zip(axes, sheets, strict=True):
        kind = _kinds(about, sheet.values, sheet.present, least)
        counts += [np.count_nonzero(kind == k) for k in range(len(KINDS))]
        places = [few(n, most) for n, most in zip(kind.shape, _MOST_CELLS, strict=True)]
        grid = borders(sheet.x[places[1]]), borders(sheet.y[places[0]])
        shown = _thinned(np.where(kind < 0, sheet.values, -np.inf), places)
        kind = _thinned(kind, places)
        cells = ax.pcolormesh(
            *grid,
            np.ma.masked_where(kind >= 0, shown),
            cmap=colormaps["magma"],
            norm=scale,
            rasterized=True,
        )
        for code in np.unique(kind[kind >= 0]):
            _fill(ax, *grid, kind == code, KINDS[code])
        fit_text(ax)
    return Drawn(cells, counts)


def bar(drawn: Drawn, about: Field, axes: Sequence[Axes]) -> None:
    """Say beside the axes what the colours are."""
    figure, size = figure_of(axes[0]), axes[0].yaxis.label.get_fontsize()
    made = figure.colorbar(drawn.cells, ax=list(axes), aspect=20 * len(axes))
    made.set_label(about.axis, fontsize=size)
    made.ax.tick_params(which="both", labelsize=size)


def named(drawn: Drawn, absent: str) -> tuple[list[Artist], list[str]]:
    """What a legend has to name; ``absent`` is what there is no value of."""
    from matplotlib.patches import Patch

    found = np.flatnonzero(drawn.counts)
    patches: list[Artist] = [
        Patch(facecolor=KINDS[k].filling, hatch=KINDS[k].hatch, edgecolor=palette.faint(0.55))
        for k in found
    ]
    names = [absent if k == _ABSENT else KINDS[k].name for k in found]
    labels = [counted(n, drawn.counts[k], "cell") for k, n in zip(found, names, strict=True)]
    return patches, labels


def _kinds(about: Field, norms: Array, present: Mask, least: float) -> NDArray[np.int8]:
    """Of each cell the kind, or -1 where the scale of colours holds it."""
    kind = np.full(norms.shape, -1, np.int8)
    if about.log:
        kind[norms < least] = _LESS
        kind[norms > _MOST] = _MORE
        kind[norms == 0] = _ZERO
        kind[norms < 0] = _BELOW
    else:
        kind[np.abs(norms) > _MOST] = _MORE
    kind[np.isinf(norms)] = _INFINITE
    kind[np.isnan(norms)] = _NAN
    kind[~present] = _ABSENT
    return kind


def _thinned(cells: NDArray[Any], places: list[list[int]]) -> NDArray[Any]:
    """The largest of all cells from one place to the next."""
    return np.maximum.reduceat(np.maximum.reduceat(cells, places[0], 0), places[1], 1)


def _fill(ax: Axes, x: Array, y: Array, where: Mask, kind: Kind) -> None:
    """Fill cells with a colour and a hatch that goes on from one to the next."""
    from matplotlib.collections import PolyCollection

    boxes: list[list[tuple[float, float]]] = []
    row = 0
    while row < len(where):  # rows that are alike are filled together
        same = row + 1
        while same < len(where) and np.array_equal(where[row], where[same]):
            same += 1
        for begin, end in runs(where[row]):
            (left, right), (low, high) = x[[begin, end]], y[[row, same]]
            boxes.append([(left, low), (right, low), (right, high), (left, high)])
        row = same
    drawn = PolyCollection(
        boxes,
        facecolors=kind.filling,
        edgecolors=palette.faint(0.55) if kind.hatch else kind.filling,
        hatch=kind.hatch,
        linewidths=0,
        rasterized=True,
        gid=f"vgcore.cells.{kind.name}",
    )
    ax.add_collection(drawn, autolim=False)


def _scale(about: Field, values: list[Array]) -> tuple[Normalize, float]:
    """One scale of colour for all values, and the least that it holds."""
    from matplotlib.colors import LogNorm, Normalize

    if about.share:
        return Normalize(0, 1, clip=True), 0.0
    if not about.log:
        shown = np.concatenate([norms[np.abs(norms) <= _MOST] for norms in values])
        ends = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
        return Normalize(ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1), 0.0
    shown = np.concatenate([norms[(norms <= _MOST) & (norms > 0)] for norms in values])
    if not shown.size:
        return LogNorm(0.1, 1), 0.0
    low, high = float(shown.min()), float(shown.max())
    least = max(low, high * _LEAST)
    return LogNorm(least, high if high > least * 1.001 else least * 1.001), least
