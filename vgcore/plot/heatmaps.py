"""A field in colours: layers, units or timesteps over the training, or samples over time.

What a scale of colours cannot show has colours of its own, and is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import curves, inside, palette, style
from vgcore.plot.curves import borders, counted, runs
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
from vgcore.plot.palette import few
from vgcore.plot.style import figure_of, fit_text

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize


_MOST_CELLS = 400, 1000  # rows and columns, about what a screen can show
_MOST = 1e300  # of a colour bar: matplotlib computes beyond its ends
_TINY = 1e-280  # below which matplotlib takes two numbers for one
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
    Kind(f"less than {_TINY:g}", "#8f8f8f"),
    Kind("below 0", "#31a354", "xx"),
    Kind(f"more than {_MOST:g}", "#00a08a"),
    Kind("infinite", "#00e5e5"),
    Kind("NaN", None, "////"),
)
_ABSENT, _ZERO, _LESS, _SMALL, _BELOW, _MORE, _INFINITE, _NAN = range(len(KINDS))


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
    y_name: str
    of: str  # which layer, where it is of one
    rows: list[str] | None = None  # their names
    absent: str = "no value"


def heatmap(
    source: GradientFlow | Internals | Inside,
    field: str = "delta",
    *,
    layer: str | None = None,
    gate: str | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a field in colours: what stands upwards is what the field has a value of.

    Of a flow, over the training: every layer, or with a field of timesteps or of units those of one layer.
    Of internals: every sample, over the timesteps of a recurrent layer or the units of another.

    Parameters
    ----------
    source : GradientFlow, Internals or Inside
    field : str
        Of a flow a field of layers ("delta", "saturated", ...), of timesteps ("time", "time_gate", ...) or of
        units ("unit_delta", "unit_saturated", "unit_dead", "unit_weight"). Of internals "delta", "dh",
        "dh_direct", "dc", "z", "h" or "c": through time the norm over units.
    layer : str, optional
        Which, where it is of one; left out, the first that has the field.
    gate : str, optional
        Of a field of gates: which.
    ax : matplotlib.axes.Axes, optional
        Where to draw; left out, a new figure of pyplot.
    legend : bool
        Whether to name what the scale of colours does not hold: 0, less than 1e-16 of the largest, infinite
        and NaN, which have colours and hatches of their own. Many rows or columns are thinned: of cells that
        fall together, the largest is shown.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or the field, layer or gate is not there.
    ImportError
        If matplotlib is not installed.
    """
    source = inside.checked(source)
    legend = _validate.boolean("legend", legend)
    if isinstance(source, GradientFlow):
        options: dict[str, Any] = {**FIELDS, **TIME_FIELDS, **UNIT_FIELDS}
        _validate.one_of("field", field, options)
        about, matrix = options[field], None
        if len(source):
            about, matrix = _of_flow(source, field, layer, gate)
        reason = curves.reason(source)
    else:
        _validate.one_of("field", field, inside.FIELDS)
        about, matrix = _of_internals(source, field, layer, gate)
        reason = "no value to draw"
    ax = style.axes_or_new(ax)
    ax.set_title(about.title)
    if matrix is None or not matrix.values.size:
        style.say(ax, reason)
        ax.tick_params(labelbottom=False)
        return ax
    _draw(ax, about, matrix, legend)
    return ax


def _draw(ax: Axes, about: Field, matrix: _Matrix, legend: bool) -> None:
    y = np.arange(len(matrix.values), dtype=float)
    drawn = draw([ax], about, [Sheet(matrix.values, matrix.present, matrix.x, y)])
    ax.set(xlabel=matrix.x_name, ylabel=matrix.y_name)
    if matrix.of:
        ax.set_title(f"{about.title} in {matrix.of}")
    ax.locator_params("x", integer=True)
    if matrix.rows is not None:
        style.name_rows(ax, matrix.rows)
    else:
        ax.locator_params("y", integer=True)
    if len(matrix.x) == 1:
        ax.set_xticks(matrix.x, [f"{matrix.x[0]:,.0f}"])
    else:
        ax.xaxis.set_major_formatter("{x:,.0f}")
    bar(drawn, about, [ax])
    style.fit_text(ax)
    handles, labels = named(drawn, matrix.absent)
    if legend and handles:
        style.legend_below(ax, handles, labels)


def _of_flow(
    flow: GradientFlow, field: str, layer: str | None, gate: str | None
) -> tuple[Field, _Matrix]:
    x = flow.step.astype(float)
    if field in FIELDS:
        for name, value in (("layer", layer), ("gate", gate)):
            if value is not None:
                raise ValueError(f"{name}: expected None with field={field!r}, got {value!r}")
        values, there = getattr(flow, field), present(flow, field)
        matrix = _Matrix(
            values.T, there.T, x, "training step", "layer, from input up", "", flow.layers
        )
        return FIELDS[field], matrix
    recorded = getattr(flow, field, {})
    if not len(recorded):
        what = "recurrent layers" if field in TIME_FIELDS else "units: GradientFlow(units=True)"
        raise ValueError(
            f"source: expected a record of {what} with field={field!r}, got one without"
        )
    name = next(iter(recorded)) if layer is None else _validate.one_of("layer", layer, recorded)
    if field in TIME_FIELDS:
        about, values = of_gate(flow, name, field, gate)
        there = present_in_time(flow, name, field)
        return about, _Matrix(
            values.T, there.T, x, "training step", "timestep $t$", name, absent="no timestep"
        )
    if gate is not None:
        raise ValueError(f"gate: expected None with field={field!r}, got {gate!r}")
    values = recorded[name]
    x = flow.unit_step.astype(float)
    return UNIT_FIELDS[field], _Matrix(
        values.T, np.full(values.T.shape, True), x, "training step", "unit", name
    )


def _of_internals(
    source: Internals, field: str, layer: str | None, gate: str | None
) -> tuple[Field, _Matrix | None]:
    if gate is not None:
        raise ValueError(f"gate: expected None with internals, got {gate!r}")
    some = inside.having(source, field)
    if layer is None and not some:
        raise ValueError(
            f"field: expected one that a layer has, got {field!r}: gradients need internals(x, y)"
        )
    name = some[0] if layer is None else layer
    about, values, there = inside.sizes(source, name, field)
    through_time = inside.array(source, name, field).ndim == 3
    x, x_name = np.arange(values.shape[1], dtype=float), "unit or channel"
    if through_time:
        x, x_name = inside.timesteps(source, values.shape[1])
    return about, _Matrix(values, there, x, x_name, "sample", name, absent="no timestep")


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
        kind[norms < _TINY] = _SMALL
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
    shown = np.concatenate([norms[(norms <= _MOST) & (norms >= _TINY)] for norms in values])
    if not shown.size:
        return LogNorm(0.1, 1), 0.0
    low, high = float(shown.min()), float(shown.max())
    least = max(low, high * _LEAST)
    return LogNorm(least, high if high > least * 1.001 else least * 1.001), least
