"""Several flows in one frame, by name; several seeds of one become a band, and theory stands under both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import bands, curves, expected, marks, palette, style, text
from vgcore.plot.curves import Curve
from vgcore.plot.fields import (
    FIELDS,
    STEP_FIELDS,
    TIME_FIELDS,
    Array,
    Field,
    Mask,
    of_gate,
    of_step,
    present,
    present_in_time,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OVER = {
    "layers": list(FIELDS),
    "training": [*FIELDS, *STEP_FIELDS],
    "time": list(TIME_FIELDS),
}  # what may be drawn over what


class _Line(NamedTuple):
    """Of one flow: values over places, and where there are any."""

    x: Array
    y: Array
    present: Mask


def compare(
    flows: Mapping[str, GradientFlow | Iterable[GradientFlow]],
    field: str = "delta",
    *,
    over: str | None = None,
    step: int | None = None,
    layer: str | int = 0,
    gate: str | None = None,
    band: tuple[float, float] = (0.0, 1.0),
    theory: Any = None,
    log: bool | None = None,
    ax: Axes | None = None,
    legend: bool = True,
) -> Axes:
    """Draw a field of several flows, a line for each name: over the layers, the training, or time.

    What the axis cannot show stands as what it is, as in `vgcore.plot.flow`; of several seeds, where it is so
    of any of them.

    Parameters
    ----------
    flows : dict of str to GradientFlow or to iterable of GradientFlow
        Several of one name are taken for seeds of one: the line is their median.
    field : str
        A field of layers ("delta", "saturated", ...), the "loss", or a field of timesteps ("time", ...).
    over : {"layers", "training", "time"}, optional
        What the x axis is; left out, the layers, or what the field has: the training for the loss, the
        timesteps for a field of them. Layers stand at their places, the first at 0; they are named where all
        flows have the same.
    step : int, optional
        Over layers and time: which recorded step; -1 is the last that each flow has. Left out, the last, or
        with ``theory`` the first, for it speaks of networks that have not been trained.
    layer : str or int
        Over the training and time: which layer, or recurrent layer, by its name or by its place, which may be
        counted from the last, -1.
    gate : str, optional
        Of a field of gates over time: which.
    band : (float, float)
        Quantiles of the seeds between which is filled: from the lowest to the highest.
    theory : vgcore.theory.Prediction, or dict of str to it, optional
        Over layers, and of "time" over time: what should be seen at the start, dashed, and where 90 of 100
        draws of the weights lie, shaded; by the names of ``flows``, in their colours. A gradient is predicted
        up to one factor, which is taken from the last layer of the flow, or the walk's last timestep. Over
        time Pascanu's bound of an RNN is dotted: the most that its gradient could be if all of it came from
        the last timestep; the axis is not made for it.
    log, ax, legend
        As `vgcore.plot.flow` takes them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind; a field, layer, gate or step is not there; or theory has no such
        field, or is of other layers.
    ImportError
        If matplotlib is not installed.
    """
    given = _given(flows)
    over = _over(field, over)
    about = {**FIELDS, **STEP_FIELDS, **TIME_FIELDS}[field]
    edges = bands.check(band) or (0.0, 1.0)
    style.check_log(log)
    if step is not None:
        step = _validate.integer("step", step, minimum=-(2**63), maximum=2**63 - 1)
    if step is not None and over == "training":
        raise ValueError(f"step: expected None over the training, got {step}")
    if not isinstance(layer, str):
        _validate.integer("layer", layer, minimum=-(2**31))
    if layer != 0 and (over == "layers" or field in STEP_FIELDS):
        where = "over the layers" if over == "layers" else f"with field={field!r}"
        raise ValueError(f"layer: expected 0 {where}, got {layer!r}")
    if gate is not None and over != "time":
        raise ValueError(f"gate: expected None with over={over!r}, got {gate!r}")
    predictions = expected.by_name(theory, given, over, field)
    when = _When(step, 0 if predictions else -1)
    legend = _validate.boolean("legend", legend)
    lines: dict[str, list[_Line]] = {}
    for name, several in given.items():
        some = [flow for flow in several if len(flow)]
        if over == "layers":
            lines[name] = [_over_layers(flow, field, when) for flow in some]
            continue
        found = [
            _over_time(flow, field, when, layer, gate)
            if over == "time"
            else _over_training(flow, field, layer)
            for flow in some
        ]
        lines[name] = [line for line, _ in found]
        about = found[0][1] if found else about
    about = about if log is None else about._replace(log=log)
    style.require_matplotlib()
    x, drawn = _curves(about, lines, edges)
    stands = [
        _under_time(prediction, name, given, drawn, layer)
        if over == "time"
        else _under(prediction, field, name, given, drawn, when)
        for name, prediction in predictions.items()
    ]
    ax = style.axes_or_new(ax)
    expected.draw(ax, about, stands)
    curves.draw(ax, about, x, list(drawn.values()), empty=_reason(given))
    if any(curve.band is not None for curve in drawn.values()):
        curves.name_band(ax, f"seeds: {bands.name(edges)}")
    ax.set_title(f"{about.title}{_where(field, over, when, layer, given)}")
    if legend:
        curves.name_lines(ax, None)
    _name_x(ax, over, given)
    style.fit_text(ax)
    return ax


def _over(field: Any, over: Any) -> str:
    """What the field is drawn over; ValueError if that is not what is wanted."""
    _validate.one_of("field", field, [*FIELDS, *STEP_FIELDS, *TIME_FIELDS])
    can = [name for name, fields in _OVER.items() if field in fields]
    if over is None:
        return can[0]
    if _validate.one_of("over", over, _OVER) not in can:
        raise ValueError(
            f"over: expected {' or '.join(map(repr, can))} with field={field!r}, got {over!r}"
        )
    return str(over)


def _given(flows: Any) -> dict[str, list[GradientFlow]]:
    """Each name's flows."""
    if not isinstance(flows, Mapping):
        raise TypeError(
            "flows: expected a dict of names to flows, as {'sigmoid': flow1, 'relu': flow2}, got "
            f"{_validate.kind(flows)}"
        )
    given: dict[str, list[GradientFlow]] = {}
    for name, some in flows.items():
        _validate.name("flows", name)
        called = f"flows[{name!r}]"
        several = (
            [some]
            if isinstance(some, GradientFlow)
            else list(_validate.items(called, some, "a GradientFlow or several"))
        )
        for each in several:
            if not isinstance(each, GradientFlow):
                raise TypeError(f"{called}: expected a GradientFlow, got {_validate.kind(each)}")
        if not several:
            raise ValueError(f"{called}: expected at least one GradientFlow, got none")
        given[name] = several
    if not given:
        raise ValueError("flows: expected at least one name, got none")
    return given


class _When(NamedTuple):
    """Which step of each flow."""

    step: int | None
    default: int  # among the recorded ones, where it is left out

    def row(self, flow: GradientFlow) -> int:
        """Where it is recorded."""
        if self.step is None:
            return self.default % len(flow)
        return style.rows_of(flow, [self.step], called="step")[0]

    def said(self, flows: Sequence[GradientFlow]) -> str:
        """What a title says of it."""
        steps = {int(flow.step[self.row(flow)]) for flow in flows}
        if len(steps) < 2:
            return "".join(f" at step {step:,}" for step in steps)
        place = self.default if self.step is None else self.step
        called = {0: "first", -1: "last", -2: "second last", -3: "third last"}
        return f" at each flow's {called.get(place, f'{-place}th last')} step"


def _over_layers(flow: GradientFlow, field: str, when: _When) -> _Line:
    row = when.row(flow)
    places = np.arange(len(flow.layers), dtype=float)
    return _Line(places, getattr(flow, field)[row], present(flow, field)[row])


def _over_training(flow: GradientFlow, field: str, layer: str | int) -> tuple[_Line, Field]:
    x = flow.step.astype(float)
    if field in STEP_FIELDS:
        about, values, told = of_step(flow, field)
        return _Line(x, values, told), about
    column = flow.layers.index(style.name_of("layer", layer, flow.layers))
    return _Line(x, getattr(flow, field)[:, column], present(flow, field)[:, column]), FIELDS[field]


def _over_time(
    flow: GradientFlow, field: str, when: _When, layer: str | int, gate: str | None
) -> tuple[_Line, Field]:
    recorded = getattr(flow, field)
    if not recorded:
        raise ValueError(
            f"flows: expected records of a layer that has {field}, got one of {flow.layers}"
        )
    name = style.name_of("layer", layer, list(recorded))
    about, values = of_gate(flow, name, field, gate)
    row = when.row(flow)
    places = np.arange(values.shape[1], dtype=float)
    return _Line(places, values[row], present_in_time(flow, name, field)[row]), about


def _curves(
    about: Field, lines: Mapping[str, list[_Line]], edges: tuple[float, float]
) -> tuple[Array, dict[str, Curve]]:
    """The places of all lines, and a line over them for each name."""
    x = np.unique(
        np.concatenate([line.x for some in lines.values() for line in some] or [np.empty(0)])
    )
    drawn: dict[str, Curve] = {}
    for (name, some), look in zip(lines.items(), _looks(len(lines)), strict=True):
        if not some:
            continue
        values = np.full((len(some), len(x)), np.nan)
        there = np.full(values.shape, False)
        for row, line in enumerate(some):
            at = np.searchsorted(x, line.x)
            values[row, at], there[row, at] = line.y, line.present
        middle, band, known = bands.summary(values, there, edges if len(some) > 1 else None)
        label = name if len(some) == 1 else f"{name}: median of {len(some)}"
        telling = _telling(about, middle, values, there)
        drawn[name] = Curve(middle, known, label, look, band, telling)
    return x, drawn


def _telling(about: Field, middle: Array, values: Array, there: Mask) -> Array:
    """The middle, or in its place what of any seed the axis cannot show."""
    telling = middle.copy()
    for row, known in zip(values, there, strict=True):
        for where in marks.kinds(about, row).values():
            telling[where & known] = row[where & known]
    return telling


def _under(
    prediction: Any,
    field: str,
    name: str | None,
    given: Mapping[str, list[GradientFlow]],
    drawn: Mapping[str, Curve],
    when: _When,
) -> expected.Expected:
    """What theory says of the flows of a name, or of the first, or only one."""
    several = [flow for flow in given[name or next(iter(given))] if len(flow)]
    deltas = None
    if several and field in expected.UP_TO_A_FACTOR:
        seen = [_over_layers(flow, "delta", when) for flow in several]
        deltas = _curves(FIELDS["delta"], {"": seen}, (0.0, 1.0))[1][""].y
    flow = several[0] if several else given[name or next(iter(given))][0]
    return expected.under(prediction, field, flow, deltas, *_named(name, drawn))


def _under_time(
    prediction: Any,
    name: str | None,
    given: Mapping[str, list[GradientFlow]],
    drawn: Mapping[str, Curve],
    layer: str | int,
) -> expected.Expected:
    """The same over time, of one walk."""
    called = name or next(iter(given))
    several = [flow for flow in given[called] if len(flow)]
    if several:
        walks = list(several[0].time)
        curve = drawn[called]
        seen, walk = curve.y[curve.present], style.name_of("layer", layer, walks)
    else:
        courses = list(getattr(prediction, "time", {}))
        seen, walk = None, style.name_of("layer", layer, courses)
    return expected.in_time(prediction, walk, seen, *_named(name, drawn))


def _named(name: str | None, drawn: Mapping[str, Curve]) -> tuple[str, str]:
    """The colour and the name of a prediction."""
    if name is None:
        return palette.ink(), "theory"
    return drawn[name].look["color"] if name in drawn else palette.ink(), f"{name}, theory"


def _looks(count: int) -> list[palette.Look]:
    """One for each name: as flows on one frame have them, as long as there are hues."""
    if count > len(palette.HUES):
        return palette.looks(count)
    looks = palette.looks(count)
    return [look | {"color": palette.hue(place)} for place, look in enumerate(looks)]


def _reason(flows: Mapping[str, list[GradientFlow]]) -> str:
    return curves.reason(max((flow for some in flows.values() for flow in some), key=len))


def _name_x(ax: Axes, over: str, flows: Mapping[str, list[GradientFlow]]) -> None:
    """Say what the places are; by the layers' names where all flows have the same."""
    if over != "layers":
        ax.set_xlabel("step" if over == "training" else "timestep $t$")
        style.number_x(ax)
        return
    names = {tuple(flow.layers) for some in flows.values() for flow in some if flow.layers}
    ax.margins(x=0.08)
    if len(names) == 1:
        style.name_layers(ax, names.pop())
        ax.set_xlabel("layer, from input to output")
    else:
        style.number_x(ax)
        ax.set_xlabel("layer number, from input to output")


def _where(
    field: str,
    over: str,
    when: _When,
    layer: str | int,
    flows: Mapping[str, list[GradientFlow]],
) -> str:
    """What is the same of all lines."""
    all_of_them = [flow for some in flows.values() for flow in some]
    said = ""
    if over != "layers" and field not in STEP_FIELDS:
        walks = [list(flow.time if over == "time" else flow.layers) for flow in all_of_them]
        names = {style.name_of("layer", layer, some) for some in walks if some}
        said = f" in {text.short(names.pop())}" if len(names) == 1 else f" in layer {layer}"
        if over == "time" and not isinstance(layer, str) and {len(some) for some in walks} == {1}:
            said = ""  # there is no other
    if over != "training":
        said += when.said([flow for flow in all_of_them if len(flow)])
    return said
