"""A field, steps over timesteps, in colours; what a scale of colours cannot show has colours of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.plot.curves import borders, counted, runs
from vgcore.plot.fields import Array, Field, Mask
from vgcore.plot.style import Look, few, fit_text, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

_MOST_CELLS = 400, 1000  # steps and timesteps of a heatmap, about what a screen can show
_MOST = 1e300  # of a colour bar: matplotlib computes beyond its ends
_LEAST = 1e-16  # of a colour bar's largest; down to float32's least, all colours would be one


class Kind(NamedTuple):
    """A kind of cell that the scale of colours does not hold."""

    name: str
    colour: str
    hatch: str = ""


# None of these is a colour of magma's. Where several cells fall together, the later one is shown.
KINDS = (
    Kind("no timestep", "white"),
    Kind("0", "#9ecae1"),
    Kind(f"less than {_LEAST:g} of the largest", "0.75"),
    Kind("below 0", "#31a354", "xx"),
    Kind(f"more than {_MOST:g}", "#00a08a"),
    Kind("infinite", "#00e5e5"),
    Kind("NaN", "white", "////"),
)
_ABSENT, _ZERO, _LESS, _BELOW, _MORE, _INFINITE, _NAN = range(len(KINDS))


def draw(
    figure: Figure,
    axes: list[Axes],
    steps: NDArray[np.int64],
    about: Field,
    values: dict[str, Array],
    present: dict[str, Mask],
    *,
    marked: tuple[list[int], list[Look]],
) -> None:
    """Draw a heatmap a layer on one scale; arrows mark the rows that are drawn as curves."""
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    scale, least = _scale(about, list(values.values()))
    number = np.zeros(len(KINDS), int)
    rows, looks = marked
    cells: Any = None
    for ax, (name, norms) in zip(axes, values.items(), strict=True):
        kind = _kinds(about, norms, present[name], least)
        number += [np.count_nonzero(kind == k) for k in range(len(KINDS))]
        places = [few(n, most) for n, most in zip(norms.shape, _MOST_CELLS, strict=True)]
        grid = borders(np.array(places[1], float)), borders(steps[places[0]].astype(float))
        shown = _thinned(np.where(kind < 0, norms, -np.inf), places)
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
        ax.scatter(
            np.ones(len(rows)),
            steps[rows],
            c=[look["color"] for look in looks],
            marker="<",
            clip_on=False,
            transform=ax.get_yaxis_transform(),
            zorder=3,
        )
        ax.locator_params(integer=True)
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.set_ylabel("training step")
        ax.set_title(f"{name}: over the training")
        fit_text(ax)
    bar = figure.colorbar(cells, ax=axes, aspect=20 * len(axes))
    bar.set_label(about.axis, fontsize=axes[0].yaxis.label.get_fontsize())
    bar.ax.tick_params(which="both", labelsize=axes[0].yaxis.label.get_fontsize())
    found = np.flatnonzero(number)
    if found.size:
        patches = [
            Patch(facecolor=KINDS[k].colour, hatch=KINDS[k].hatch, edgecolor="0.5") for k in found
        ]
        labels = [counted(KINDS[k].name, number[k], "cell") for k in found]
        columns = max(1, int(figure.get_figwidth() / 3))
        legend(figure, patches, labels, axes[0], loc="outside lower left", ncols=columns)


def _kinds(about: Field, norms: Array, present: Mask, least: float) -> NDArray[np.int8]:
    """Of each cell the kind, or -1 where the scale of colours holds it."""
    kind = np.full(norms.shape, -1, np.int8)
    if about.log:
        kind[norms < least] = _LESS
        kind[norms > _MOST] = _MORE
        kind[norms == 0] = _ZERO
        kind[norms < 0] = _BELOW
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
        facecolors=kind.colour,
        edgecolors="0.5" if kind.hatch else kind.colour,
        hatch=kind.hatch,
        linewidths=0,
        rasterized=True,
        gid=f"vgcore.cells.{kind.name}",
    )
    ax.add_collection(drawn, autolim=False)


def _scale(about: Field, values: list[Array]) -> tuple[Normalize, float]:
    """One scale of colour for all values, and the least that it holds."""
    from matplotlib.colors import LogNorm, Normalize

    if not about.log:
        return Normalize(0, 1, clip=True), 0.0
    shown = np.concatenate([norms[(norms <= _MOST) & (norms > 0)] for norms in values])
    if not shown.size:
        return LogNorm(0.1, 1), 0.0
    low, high = float(shown.min()), float(shown.max())
    least = max(low, high * _LEAST)
    return LogNorm(least, high if high > least * 1.001 else least * 1.001), least
