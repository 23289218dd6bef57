"""A field in colours: layers or units over the training, timesteps, or samples over time; or a table.

Time runs to the right, wherever there is any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import cells, curves, inside, style, tables
from vgcore.plot.cells import Colours, Sheet
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap


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
    source: GradientFlow | Internals | Inside | Any,
    field: str = "delta",
    *,
    x: str | None = None,
    y: str | None = None,
    value: str | None = None,
    log: bool = False,
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
    sample, over the timesteps of a recurrent layer or the units of another. Of a table: the mean of a column
    over two others.

    Parameters
    ----------
    source : GradientFlow, Internals, Inside, vgcore.sweeps.Table, DataFrame or dict of columns
    field : str
        Of a flow a field of layers ("delta", "saturated", ...), of timesteps ("time", "time_gate", ...) or of
        units ("unit_delta", "unit_saturated", "unit_dead", "unit_weight"). Of internals "delta", "dh",
        "dh_direct", "dc", "z", "h", "c", "dgates" and of a block "skip" and "body", through time the norm
        over units; "gates", through time their mean over units; or "dx", the gradient of the inputs.
    x, y, value : str
        Of a table: which columns. A cell is the mean of the values at its x and y; NaN, where one is NaN.
        Numbers stand where they are, on a log axis if they are positive and span more than two decades;
        other values stand side by side.
    log : bool
        Of a table: whether the scale of colours is a log scale.
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
    colours = cells.colours_of(cmap, vmin, vmax)
    legend = _validate.boolean("legend", legend)
    if tables.is_table(source):
        _refuse("a table", layer=layer, gate=gate)
        table = tables.cells_of(source, x, y, value, _validate.boolean("log", log))
        cells.check_ends(table.about, colours)
        return tables.draw(_free(ax), table, colours, legend)
    source = inside.checked(source)
    _refuse(_validate.kind(source), x=x, y=y, value=value)
    if _validate.boolean("log", log):
        raise ValueError(f"log: expected False with {_validate.kind(source)}, got True")
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
    cells.check_ends(about, colours)
    ax = _free(ax)
    ax.set_title(about.title)
    if matrix is None or not matrix.values.size:
        style.say(ax, reason)
        ax.tick_params(labelbottom=False)
        return ax
    _draw(ax, about, matrix, colours, legend)
    return ax


def _refuse(source: str, **given: Any) -> None:
    """ValueError for arguments that are for others."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name}: expected None with {source}, got {value!r}")


def _free(ax: Axes | None) -> Axes:
    ax = style.axes_or_new(ax)
    style.check_free(ax)
    return ax


def _draw(ax: Axes, about: Field, matrix: _Matrix, colours: Colours, legend: bool) -> None:
    sheet = Sheet(matrix.values, matrix.present, matrix.x, matrix.y)
    for axis in (ax.xaxis, ax.yaxis):  # first, for limits are chosen by what finds the ticks
        style.number(axis)
    drawn = cells.draw([ax], about, [sheet], colours)
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
    cells.bar(drawn, about, [ax])
    style.fit_text(ax)
    handles, labels = cells.named(drawn, matrix.absent)
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
