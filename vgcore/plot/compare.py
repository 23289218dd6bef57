"""Several flows in one frame, by name; several seeds of one become a band, and theory stands under both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.plot import bands, curves, expected, palette, seeds, style, text
from vgcore.plot.fields import (
    FIELDS,
    STEP_FIELDS,
    TIME_FIELDS,
    Field,
    of_gate,
    of_step,
    present,
    present_in_time,
)
from vgcore.plot.seeds import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OVER = {
    "layers": list(FIELDS),
    "training": [*FIELDS, *STEP_FIELDS],
    "time": list(TIME_FIELDS),
}  # what may be drawn over what


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
        Several of one name are taken for seeds of one network, of the same layers: the line is their median,
        where all of them have a value. Where one has none, for it ended earlier or was recorded at other
        steps, each of the others is a thin line.
    field : str
        A field of layers ("delta", "saturated", ...), the "loss", or a field of timesteps ("time", ...).
    over : {"layers", "training", "time"}, optional
        What the x axis is; left out, the layers, or what the field has: the training for the loss, the
        timesteps for a field of them. Layers stand at their places, the first at 0; they are named where all
        flows have the same, and otherwise numbered, the first 1.
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
        Over layers, and of "time" over time: what should be seen of networks that have not been trained, in
        long dashes, and where 90 of 100 draws of the weights lie, outlined; by the names of ``flows``, in
        their colours. What was measured is then solid, with markers. A gradient is predicted up to one
        factor, which is taken from the last layer of the flow, or the walk's last timestep; the legend says
        so. Over time Pascanu's bound of an RNN is dotted: the most that its gradient could be if all of it
        came from the last timestep; the axis is not made for it.
    log, ax, legend
        As `vgcore.plot.flow` takes them.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind; a field, layer, gate or step is not there; flows of one name have
        different layers; or theory has no such field, or is of other layers.
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
    lines: dict[str, list[Line]] = {}
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
    looks = dict(zip(lines, _looks(len(lines), solid=bool(predictions)), strict=True))
    drawn = seeds.drawn(about, lines, edges, list(looks.values()))
    stands = []
    for of, prediction in predictions.items():
        colour = palette.ink() if of is None else looks[of]["color"]
        stand = (
            _under_time(prediction, of, given, drawn, layer)
            if over == "time"
            else _under(prediction, field, of, given, when)
        )
        stands.append(stand._replace(name=of if len(given) > 1 else None, colour=colour))
    ax = style.axes_or_new(ax)
    expected.draw(ax, about, stands)
    seeds.draw(ax, about, drawn, edges, empty=_reason(given))
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
        _check_alike(called, several)
        given[name] = several
    if not given:
        raise ValueError("flows: expected at least one name, got none")
    return given


def _check_alike(called: str, several: Sequence[GradientFlow]) -> None:
    """ValueError unless flows of one name may be seeds of one network."""
    declared = [
        (f"{called}[{place}]", flow.layers) for place, flow in enumerate(several) if flow.layers
    ]
    for name, layers in declared[1:]:
        first, wanted = declared[0]
        if said := seeds.unlike(layers, wanted, first):
            raise ValueError(f"{name}: expected seeds of one network, got one of {said}")


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
        return f" at each flow's {_ordinal(place)} step"


def _ordinal(place: int) -> str:
    """A place in words: 0 is the first, -1 the last."""
    if place < 0:
        return "last" if place == -1 else f"{_ordinal(-place - 1)} last"
    if place < 3:
        return ("first", "second", "third")[place]
    number = place + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number % 100 < 20 else ending}"


def _over_layers(flow: GradientFlow, field: str, when: _When) -> Line:
    row = when.row(flow)
    places = np.arange(len(flow.layers), dtype=float)
    return Line(places, getattr(flow, field)[row], present(flow, field)[row])


def _over_training(flow: GradientFlow, field: str, layer: str | int) -> tuple[Line, Field]:
    x = flow.step.astype(float)
    if field in STEP_FIELDS:
        about, values, told = of_step(flow, field)
        return Line(x, values, told), about
    column = flow.layers.index(style.name_of("layer", layer, flow.layers))
    return Line(x, getattr(flow, field)[:, column], present(flow, field)[:, column]), FIELDS[field]


def _over_time(
    flow: GradientFlow, field: str, when: _When, layer: str | int, gate: str | None
) -> tuple[Line, Field]:
    recorded = getattr(flow, field)
    if not recorded:
        raise ValueError(
            f"flows: expected records of a layer that has {field}, got one of {flow.layers}"
        )
    name = style.name_of("layer", layer, list(recorded))
    about, values = of_gate(flow, name, field, gate)
    row = when.row(flow)
    places = np.arange(values.shape[1], dtype=float)
    return Line(places, values[row], present_in_time(flow, name, field)[row]), about


def _under(
    prediction: Any,
    field: str,
    name: str | None,
    given: Mapping[str, list[GradientFlow]],
    when: _When,
) -> expected.Expected:
    """What theory says of the flows of a name, or of all; scaled to those of the name, or the first."""
    called, deltas = name or next(iter(given)), None
    several = [flow for flow in given[called] if len(flow)]
    if several and field in expected.UP_TO_A_FACTOR:
        seen = {called: [_over_layers(flow, "delta", when) for flow in several]}
        lines = seeds.drawn(FIELDS["delta"], seen, (0.0, 1.0), _looks(1)).lines
        deltas = lines[called].y if called in lines else None
    stand = expected.under(prediction, field, _named(name, given), deltas)
    return _scaled_to(stand, name, given)


def _under_time(
    prediction: Any,
    name: str | None,
    given: Mapping[str, list[GradientFlow]],
    drawn: seeds.Drawn,
    layer: str | int,
) -> expected.Expected:
    """The same over time, of one walk."""
    called = name or next(iter(given))
    several = [flow for flow in given[called] if len(flow)]
    courses = list(several[0].time if several else getattr(prediction, "time", {}))
    curve = drawn.lines.get(called)
    seen = None if curve is None else curve.y[curve.present]
    walk = style.name_of("layer", layer, courses)
    stand = expected.in_time(prediction, walk, _named(name, given), seen)
    return _scaled_to(stand, name, given)


def _named(
    name: str | None, given: Mapping[str, list[GradientFlow]]
) -> list[tuple[str, GradientFlow]]:
    """The flows that a prediction is of, those of a name or all, by what an error calls them."""
    return [
        (f"flows[{each!r}]", flow)
        for each, several in given.items()
        if name in (None, each)
        for flow in several
    ]


def _scaled_to(
    stand: expected.Expected, name: str | None, given: Mapping[str, list[GradientFlow]]
) -> expected.Expected:
    """With the name of the flow that it is scaled to, where it is one prediction of several."""
    if name is not None or len(given) == 1 or not stand.scaled:
        return stand
    return stand._replace(scaled=text.short(next(iter(given))))


def _looks(count: int, *, solid: bool = False) -> list[palette.Look]:
    """One for each name: as flows on one frame have them, as long as there are hues."""
    looks = palette.looks(count)
    if count <= len(palette.HUES):
        looks = [look | {"color": palette.hue(place)} for place, look in enumerate(looks)]
    return [look | {"linestyle": "-"} for look in looks] if solid else looks


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
        longest = max(map(len, names), default=0)
        style.name_layers(ax, [f"{number}" for number in range(1, longest + 1)])
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
        said = (
            f" in {text.short(names.pop())}" if len(names) == 1 else f" in {_called(layer, over)}"
        )
        if over == "time" and not isinstance(layer, str) and {len(some) for some in walks} == {1}:
            said = ""  # there is no other
    if over != "training":
        said += when.said([flow for flow in all_of_them if len(flow)])
    return said


def _called(layer: str | int, over: str) -> str:
    """A layer that has another name in each flow."""
    if isinstance(layer, str):
        return text.short(layer)
    return f"the {_ordinal(int(layer))} {'recurrent ' if over == 'time' else ''}layer"
