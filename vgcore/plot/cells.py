"""Values in colours, and what a scale of colours cannot show in colours of its own, counted.

The scale goes down to the smallest value that is not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.plot import colourbar, palette, style
from vgcore.plot.curves import borders, runs
from vgcore.plot.fields import Array, Field, Mask
from vgcore.plot.marks import counted
from vgcore.plot.palette import few
from vgcore.plot.style import fit_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize


_MOST_CELLS = 400, 1000  # rows and columns, about what a screen can show
_MOST = 1e300  # of a colour bar: matplotlib computes beyond its ends
_TINY = 1e-280  # up to which a scale goes at least: below, matplotlib takes its two ends for one


class Colours(NamedTuple):
    """Which colours, and the ends of their scale, where somebody has set them."""

    map: Any = "magma"
    least: float | None = None
    most: float | None = None


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
    Kind("below 0", "#31a354", "xx"),
    Kind(f"more than {_MOST:g}", "#00a08a"),
    Kind("infinite", "#00e5e5"),
    Kind("NaN", None, "////"),
)
_ABSENT, _ZERO, _BELOW, _MORE, _INFINITE, _NAN = range(len(KINDS))


class Sheet(NamedTuple):
    """Values (rows, columns), where there are any, and what rows and columns stand at.

    ``logs``: whether x and y stand on log axes.
    """

    values: Array
    present: Mask
    x: Array
    y: Array
    logs: tuple[bool, bool] = (False, False)


class Drawn(NamedTuple):
    """The coloured cells, of which a colour bar is made, and how many there are of each of `KINDS`."""

    cells: Any
    counts: NDArray[np.int64]


def colours_of(cmap: Any, vmin: Any, vmax: Any) -> Colours:
    """TypeError or ValueError for what is no map of colours, or no end of a scale."""
    style.require_matplotlib()
    from matplotlib import colormaps
    from matplotlib.colors import Colormap

    if not isinstance(cmap, Colormap):
        cmap = _validate.one_of("cmap", cmap, colormaps)
    ends = [
        None if value is None else _validate.real(name, value)
        for name, value in (("vmin", vmin), ("vmax", vmax))
    ]
    if vmin is not None and vmax is not None and not vmin < vmax:
        raise ValueError(f"vmin: expected less than vmax={vmax!r}, got {vmin!r}")
    return Colours(cmap, *ends)


def check_ends(about: Field, colours: Colours) -> None:
    """ValueError for ends that a log scale does not have."""
    for name, value in (("vmin", colours.least), ("vmax", colours.most)):
        if about.log and value is not None and value <= 0:
            raise ValueError(f"{name}: expected a number above 0 on a log scale, got {value!r}")


def draw(
    axes: Sequence[Axes], about: Field, sheets: Sequence[Sheet], colours: Colours | None = None
) -> Drawn:
    """Draw a sheet on each of the axes, all on one scale."""
    colours = colours or Colours()
    scale = _scale(about, [sheet.values[sheet.present] for sheet in sheets], colours)
    counts = np.zeros(len(KINDS), np.int64)
    cells: Any = None
    for ax, sheet in zip(axes, sheets, strict=True):
        kind = _kinds(about, sheet.values, sheet.present)
        counts += [np.count_nonzero(kind == k) for k in range(len(KINDS))]
        places = [few(n, most) for n, most in zip(kind.shape, _MOST_CELLS, strict=True)]
        over, along = sheet.logs
        grid = _borders(sheet.x[places[1]], over), _borders(sheet.y[places[0]], along)
        shown = _thinned(np.where(kind < 0, sheet.values, -np.inf), places)
        kind = _thinned(kind, places)
        cells = ax.pcolormesh(
            *grid,
            np.ma.masked_where(kind >= 0, shown),
            cmap=colours.map,
            norm=scale,
            rasterized=True,
        )
        for code in np.unique(kind[kind >= 0]):
            _fill(ax, *grid, kind == code, KINDS[code])
        fit_text(ax)
    return Drawn(cells, counts)


def _borders(at: Array, log: bool) -> Array:
    return np.power(10.0, borders(np.log10(at))) if log else borders(at)


def bar(drawn: Drawn, about: Field, axes: Sequence[Axes]) -> None:
    """Say beside each of the axes what the colours are."""
    for ax in axes:
        colourbar.beside(ax, drawn.cells, about.axis)


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


def _kinds(about: Field, norms: Array, present: Mask) -> NDArray[np.int8]:
    """Of each cell the kind, or -1 where the scale of colours holds it."""
    kind = np.full(norms.shape, -1, np.int8)
    if about.log:
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


def _scale(about: Field, values: list[Array], colours: Colours) -> Normalize:
    """One scale of colour for all values."""
    from matplotlib.colors import LogNorm, Normalize

    if about.log:
        shown = np.concatenate([norms[(norms <= _MOST) & (norms > 0)] for norms in values])
        low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.1, 1.0)
        low, high = _between(low, high, colours)
        return LogNorm(low, max(high, low * 1.001, _TINY))
    shown = np.concatenate([norms[np.abs(norms) <= _MOST] for norms in values])
    low, high = (0.0, 1.0)
    if shown.size and not about.share:
        low, high = float(shown.min()), float(shown.max())
    low, high = _between(low, high, colours)
    return Normalize(low, high if high > low else low + 1)


def _between(low: float, high: float, colours: Colours) -> tuple[float, float]:
    """The ends that somebody has set, and else these."""
    return (
        low if colours.least is None else colours.least,
        high if colours.most is None else colours.most,
    )
