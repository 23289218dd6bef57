"""The gradient at every timestep: over the training, and as curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import cells, curves, palette, style, text
from vgcore.plot.curves import Curve
from vgcore.plot.fields import TIME_FIELDS, Array, Field, Mask, of_gate, present_in_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def time(
    flow: GradientFlow,
    layers: str | Iterable[str] | None = None,
    *,
    field: str = "time",
    gate: str | None = None,
    steps: Iterable[int] | None = None,
    label: str | None = None,
    color: Any = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw a field over the timesteps: a heatmap over the training, and curves of a few steps.

    The curves stand alone where one step is recorded. Those of "time" have a faint dashed companion,
    time_direct: what is between the two comes back from later timesteps.

    Parameters
    ----------
    flow : GradientFlow
    layers : str or iterable of str, optional
        A recurrent layer or some of them, one below the other on one scale; of a bidirectional one the
        name alone is both, "name.forward" and "name.backward". Left out, the first.
    field : {"time", "time_direct", "time_cell", "time_gate", "time_saturated"}
        Norms are drawn on log axes and with log colours, time_saturated on linear ones. What these
        cannot show stands as what it is and is counted: on the curves as in `vgcore.plot.flow`, in the
        heatmap in colours and hatches of their own for 0, infinite and NaN. A long record is thinned: of
        cells that fall together, the largest is shown.
    gate : str, optional
        Of a field of gates: which, as ``flow.gates`` names them. May be left out of an RNN.
    steps : iterable of int, optional
        Recorded steps to draw curves of, -1 the last; left out, the first, the last and some evenly between.
    label : str, optional
        Names the flow, in the title.
    color : color, optional
        Of the curves, pale for the first step and dark for the last.
    figure : matplotlib.figure.Figure, optional
        An empty one to draw on; left out, a new one of pyplot.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, the field, a layer or the gate is unknown, there is no
        recurrent layer, or a step is not recorded.
    ImportError
        If matplotlib is not installed.
    """
    style.check_flow(flow)
    about, values = _time_field(flow, layers, field, gate)
    rows = style.rows_of(flow, steps)
    style.check_look(label, color)
    columns = 2 if len(flow) > 1 else 1
    width, height = 1.5 + 4.8 * columns, 0.8 + 3.4 * max(1, len(values))
    figure = style.figure_or_new(figure, style.grown() * width, style.grown() * height)
    title = about.title if label is None else f"{label}: {about.title}"
    figure.suptitle(title)
    if not values:
        ax = figure.subplots()
        style.say(ax, curves.reason(flow))
        ax.tick_params(labelbottom=False)
        return figure
    axes = figure.subplots(len(values), columns, sharex=True, sharey="col", squeeze=False)
    # Dashes are for the direct part.
    looks = [look | {"linestyle": "-"} for look in palette.looks(len(rows), color)]
    direct = flow.time_direct if field == "time" else {}
    there = {name: present_in_time(flow, name, field) for name in values}
    for ax, (name, norms) in zip(axes[:, -1], values.items(), strict=True):
        lines = [
            Curve(norms[row], there[name][row], f"{flow.step[row]:,}", look)
            for row, look in zip(rows, looks, strict=True)
        ]
        x = np.arange(norms.shape[1], dtype=float)
        curves.draw(ax, about, x, lines, empty=curves.reason(flow))
        if name in direct:
            _companions(ax, direct[name][rows], looks)
        style.number_x(ax)
        short = text.short(name)
        ax.set_title(short if columns == 1 else f"{short}: a few steps")
        style.fit_text(ax)
    if columns == 2:
        _over_training(flow.step, about, values, there, list(axes[:, 0]), (rows, looks))
    for ax in axes[-1]:
        ax.set_xlabel("timestep $t$")
        if next(iter(values.values())).shape[1] == 1:
            ax.set_xticks([0])
    named = curves.name_beside(figure, list(axes[:, -1]), "step")
    for ax in axes.flat:
        style.fit_text(ax, taken=named / columns)
    return figure


def _over_training(
    steps: NDArray[np.int64],
    about: Field,
    values: dict[str, Array],
    there: dict[str, Mask],
    axes: Sequence[Axes],
    marked: tuple[list[int], list[palette.Look]],
) -> None:
    """A heatmap a layer, all on one scale; arrows mark the rows that are drawn as curves."""
    from matplotlib import rcParams

    rows, looks = marked
    sheets = [
        cells.Sheet(norms, there[name], np.arange(norms.shape[1], dtype=float), steps.astype(float))
        for name, norms in values.items()
    ]
    drawn = cells.draw(axes, about, sheets)
    for ax, name in zip(axes, values, strict=True):
        ax.scatter(
            np.ones(len(rows)),
            steps[rows],
            c=[look["color"] for look in looks],
            marker="<",
            s=0.75 * rcParams["lines.markersize"] ** 2,
            clip_on=False,
            transform=ax.get_yaxis_transform(),
            zorder=3,
        )
        style.number_x(ax)
        style.number(ax.yaxis)
        ax.yaxis.set_major_formatter("{x:,.0f}")
        ax.set_ylabel("training step")
        ax.set_title(f"{text.short(name)}: over the training")
        style.fit_text(ax)
    cells.bar(drawn, about._replace(axis=""), axes)  # the curves behind it name the values
    handles, labels = cells.named(drawn, "no timestep")
    if handles:
        figure = style.figure_of(axes[0])
        columns = max(1, int(figure.get_figwidth() / 3))
        style.legend(figure, handles, labels, axes[0], loc="outside lower left", ncols=columns)


def _time_field(
    flow: GradientFlow, layers: str | Iterable[str] | None, field: str, gate: str | None
) -> tuple[Field, dict[str, Array]]:
    """What a field is, and its values (S, T) by layer; none of a flow that knows no layers yet."""
    about = TIME_FIELDS[_validate.one_of("field", field, TIME_FIELDS)]
    recorded: dict[str, Array] = getattr(flow, field)
    if not flow.layers:
        return about, {}
    if not recorded:
        what = "an LSTM" if field == "time_cell" else "a recurrent layer"
        raise ValueError(f"flow: expected a record of {what}, got {', '.join(flow.layers)}")
    first = next((name for name, norms in recorded.items() if norms.shape[1]), next(iter(recorded)))
    values = {}
    for name in style.names_of(first if layers is None else layers, list(recorded)):
        about, values[name] = of_gate(flow, name, field, gate)
    # A layer that no gradient ever reached has no timesteps
    return about, {name: norms for name, norms in values.items() if norms.shape[1]}


def _companions(ax: Axes, direct: Array, looks: list[palette.Look]) -> None:
    """The direct part of each line, faint."""
    shown = np.where(np.isfinite(direct) & (direct > 0), direct, np.nan)
    # What comes from above at one timestep alone, mostly the last, is a point and no line.
    lone = bool(np.all(np.isfinite(shown).sum(axis=1) < 2))
    faint: dict[str, Any] = {"alpha": 0.5, "fillstyle": "none", "linestyle": "" if lone else "--"}
    faint["marker"] = "o" if lone else ""
    for values, look in zip(shown, looks, strict=True):
        ax.plot(values, color=look["color"], label="_", **faint)
    elsewhere = ", 0 elsewhere" if (direct == 0).any() else ""
    ax.plot([], color=palette.ink(), label=f"direct part{elsewhere}", **faint)
