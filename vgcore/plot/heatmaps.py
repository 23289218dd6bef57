"""A field in colours: layers or units over the training, timesteps, or samples over time.

Time runs to the right, wherever there is any. The scale of colours goes down to the smallest value that is
not 0; what it cannot show has colours of its own, and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import colourbar, curves, inside, palette, style
from vgcore.plot.curves import borders, runs
from vgcore.plot.fields import (
    FIELDS,
    TIME_FIELDS,
    UNIT_FIELDS,
    Array,
    Field,
    Mask,
    of_gate,
    present,
    present_in_time,
)
from vgcore.plot.marks import counted
from vgcore.plot.palette import few
from vgcore.plot.style import fit_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize


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
    """Values (rows, columns), where there are any, and what rows and columns stand at."""

    values: Array
    present: Mask
    x: Array
    y: Array


class Drawn(NamedTuple):
    """The coloured cells, of which a colour bar is made, and how many there are of each of `KINDS`."""

    cells: Any
    counts: NDArray[np.int64]


class _Matrix(NamedTuple):
    """What is drawn: values (rows, columns), and what both are."""

    values: Array
    present: Mask
    x: Array
    x_name: str
    y: Array
    y_name: str
    of: str  # which layer, where it is of one
    rows: list[str] | None = None  # their names
    absent: str = "no value"


def heatmap(
    source: GradientFlow | Internals | Inside,
    field: str = "delta",
    *,
    layer: str | int | None = None,
    gate: str | None = None,
    cmap: str | Colormap = "magma",
    vmin: float | None = None,
    vmax: float | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a field in colours, on a log scale down to its smallest value where the field is a norm.

    Of a flow: every layer over the training, or of one layer every unit over the training; with a field of
    timesteps time to the right, as in `vgcore.plot.time`, and the training upwards. Of internals: every
    sample, over the timesteps of a recurrent layer or the units of another.

    Parameters
    ----------
    source : GradientFlow, Internals or Inside
    field : str
        Of a flow a field of layers ("delta", "saturated", ...), of timesteps ("time", "time_gate", ...) or of
        units ("unit_delta", "unit_saturated", "unit_dead", "unit_weight"). Of internals "delta", "dh",
        "dh_direct", "dc", "z", "h", "c", "dgates" and of a block "skip" and "body", through time the norm
        over units; "gates", through time their mean over units; or "dx", the gradient of the inputs.
    layer : str or int, optional
        Which, where it is of one, by name or by its place among those that have the field; left out, the
        first.
    gate : str, optional
        Of a field of gates: which.
    cmap : str or matplotlib.colors.Colormap
    vmin, vmax : float, optional
        The ends of the scale of colours; left out, the smallest value (on a log scale above 0) and the
        largest, and of shares 0 and 1. What is beyond has the colour of the end, which is a point then.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot.
    legend : bool
        Whether to name what the scale of colours does not hold: 0 on a log scale, infinite and NaN, which
        have colours and hatches of their own. Many rows or columns are thinned: of cells that fall
        together, the largest is shown.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, the field, layer or gate is not there, or a picture stands on the
        Axes already.
    ImportError
        If matplotlib is not installed.
    """
    source = inside.checked(source)
    colours = _colours(cmap, vmin, vmax)
    legend = _validate.boolean("legend", legend)
    if isinstance(source, GradientFlow):
        options: dict[str, Any] = {**FIELDS, **TIME_FIELDS, **UNIT_FIELDS}
        _validate.one_of("field", field, options)
        about, matrix = options[field], None
        if len(source):
            about, matrix = _of_flow(source, field, layer, gate)
        reason = curves.reason(source)
    else:
        about, matrix = _of_internals(source, field, layer, gate)
        reason = "no value to draw"
    _check_ends(about, colours)
    ax = style.axes_or_new(ax)
    style.check_free(ax)
    ax.set_title(about.title)
    if matrix is None or not matrix.values.size:
        style.say(ax, reason)
        ax.tick_params(labelbottom=False)
        return ax
    _draw(ax, about, matrix, colours, legend)
    return ax


def _colours(cmap: Any, vmin: Any, vmax: Any) -> Colours:
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


def _check_ends(about: Field, colours: Colours) -> None:
    """ValueError for ends that a log scale does not have."""
    for name, value in (("vmin", colours.least), ("vmax", colours.most)):
        if about.log and value is not None and value <= 0:
            raise ValueError(f"{name}: expected a number above 0 on a log scale, got {value!r}")


def _draw(ax: Axes, about: Field, matrix: _Matrix, colours: Colours, legend: bool) -> None:
    sheet = Sheet(matrix.values, matrix.present, matrix.x, matrix.y)
    for axis in (ax.xaxis, ax.yaxis):  # first, for limits are chosen by what finds the ticks
        style.number(axis)
    drawn = draw([ax], about, [sheet], colours)
    drawn.cells.set_gid("vgcore.cells")
    ax.set(xlabel=matrix.x_name, ylabel=matrix.y_name)
    if matrix.of:
        ax.set_title(f"{about.title} in {matrix.of}")
    for axis, places in ((ax.xaxis, matrix.x), (ax.yaxis, matrix.y)):
        axis.set_major_formatter("{x:,.0f}")
        if len(places) == 1:
            axis.set_ticks(places, labels=[f"{places[0]:,.0f}"])
    if matrix.rows is not None:
        style.name_rows(ax, matrix.rows)
    bar(drawn, about, [ax])
    style.fit_text(ax)
    handles, labels = named(drawn, matrix.absent)
    if legend and handles:
        style.legend_below(ax, handles, labels)


def _of_flow(
    flow: GradientFlow, field: str, layer: str | int | None, gate: str | None
) -> tuple[Field, _Matrix]:
    x = flow.step.astype(float)
    if field in FIELDS:
        for name, value in (("layer", layer), ("gate", gate)):
            if value is not None:
                raise ValueError(f"{name}: expected None with field={field!r}, got {value!r}")
        values, there = getattr(flow, field), present(flow, field)
        rows = np.arange(len(flow.layers), dtype=float)
        matrix = _Matrix(
            *(values.T, there.T, x, "training step", rows, "layer, from input up", ""),
            rows=flow.layers,
        )
        return FIELDS[field], matrix
    recorded = getattr(flow, field, {})
    if not len(recorded):
        what = "recurrent layers" if field in TIME_FIELDS else "units: GradientFlow(units=True)"
        raise ValueError(
            f"source: expected a record of {what} with field={field!r}, got one without"
        )
    name = next(iter(recorded)) if layer is None else style.name_of("layer", layer, list(recorded))
    if field in TIME_FIELDS:
        about, values = of_gate(flow, name, field, gate)
        there = present_in_time(flow, name, field)
        times, time = inside.timesteps(flow, values.shape[1])
        return about, _Matrix(
            *(values, there, times, time, x, "training step", name), absent="no timestep"
        )
    if gate is not None:
        raise ValueError(f"gate: expected None with field={field!r}, got {gate!r}")
    values = recorded[name]
    x, units = flow.unit_step.astype(float), np.arange(values.shape[1], dtype=float)
    return UNIT_FIELDS[field], _Matrix(
        *(values.T, np.full(values.T.shape, True), x, "training step", units, "unit", name)
    )


def _of_internals(
    source: Internals, field: str, layer: str | int | None, gate: str | None
) -> tuple[Field, _Matrix | None]:
    shown = inside.sizes(source, field, layer, gate)
    x, x_name = np.arange(shown.values.shape[1], dtype=float), "unit or channel"
    if shown.through_time:
        x, x_name = inside.timesteps(source, shown.values.shape[1])
    samples = np.arange(len(shown.values), dtype=float)
    return shown.about, _Matrix(
        *(shown.values, shown.present, x, x_name, samples, "sample", shown.of),
        absent="no timestep",
    )


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
        grid = borders(sheet.x[places[1]]), borders(sheet.y[places[0]])
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
