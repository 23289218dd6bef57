"""A field in colours: layers, units or timesteps over the training, or samples over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow, Internals
from vgcore.plot import cells, curves, inside, style
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
    source: GradientFlow | Internals,
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
    source : GradientFlow or Internals
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
    inside.check_source("source", source)
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
    drawn = cells.draw([ax], about, [cells.Sheet(matrix.values, matrix.present, matrix.x, y)])
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
    cells.bar(drawn, about, [ax])
    style.fit_text(ax)
    handles, labels = cells.named(drawn, matrix.absent)
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
    recorded = getattr(flow, field)
    if not len(recorded):
        what = "recurrent layers" if field in TIME_FIELDS else "units: GradientFlow(units=True)"
        raise ValueError(f"flow: expected a record of {what} with field={field!r}, got one without")
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
    x_name = "timestep $t$" if through_time else "unit or channel"
    x = np.arange(values.shape[1], dtype=float)
    return about, _Matrix(values, there, x, x_name, "sample", name, absent="no timestep")
