"""What `Sequential.internals` gives, as pictures read it: where there is a value, and sizes of gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot import style
from vgcore.plot.fields import Array, Field, Mask

FIELDS = {
    "delta": Field("Error signal", r"$|\partial L/\partial z|$"),
    "dh": Field("Gradient of the outputs", r"$|\partial L/\partial h|$"),
    "dh_direct": Field("Gradient of the outputs from above", r"direct $|\partial L/\partial h|$"),
    "dc": Field("Gradient of the cell states", r"$|\partial L/\partial c|$"),
    "z": Field("Pre-activations", "pre-activation $z$", log=False),
    "h": Field("Outputs", "output $h$", log=False),
    "c": Field("Cell states", "cell state $c$", log=False),
    "skip": Field("Gradient through the skip", r"skip's $|\partial L/\partial x|$"),
    "body": Field("Gradient through the body", r"body's $|\partial L/\partial x|$"),
}
GATE_FIELDS = {
    "gates": Field("Gate {}", "value", log=False),
    "dgates": Field("Gradient of gate {}", r"$|\partial L/\partial z|$"),
}
_OF_INPUTS = {"dx": Field("Gradient of the inputs", r"$|\partial L/\partial x|$")}
_NORMS = {
    "delta": r"$\|\partial L/\partial z\|_2$",
    "dh": r"$\|\partial L/\partial h\|_2$",
    "dh_direct": r"direct $\|\partial L/\partial h\|_2$",
    "dc": r"$\|\partial L/\partial c\|_2$",
    "z": r"$\|z\|_2$",
    "h": r"$\|h\|_2$",
    "c": r"$\|c\|_2$",
    "skip": r"skip's $\|\partial L/\partial x\|_2$",
    "body": r"body's $\|\partial L/\partial x\|_2$",
    "dgates": r"$\|\partial L/\partial z\|_2$",
    "dx": r"$\|\partial L/\partial x\|_2$",
}


class Sizes(NamedTuple):
    """A field by sample and unit, channel or timestep: values and where there are any (n, k)."""

    about: Field
    values: Array
    present: Mask
    of: str  # which layer, where it is of one
    through_time: bool


def checked(source: Any) -> GradientFlow | Internals:
    """A flow, or internals, which may be those of one layer; TypeError for all else."""
    if isinstance(source, Inside):
        return _alone(source)
    if not isinstance(source, GradientFlow | Internals):
        raise TypeError(
            "source: expected a GradientFlow, or what model.internals gives; got "
            f"{_validate.kind(source)}"
        )
    return source


def _alone(layer: Inside) -> Internals:
    """Internals of one layer, whose samples end where their outputs do."""
    h, lengths, align = np.asarray(layer.h), None, "start"
    if h.ndim == 3:
        there = np.logical_not(np.isnan(h).all(axis=2))
        lengths = there.sum(axis=1)
        align = "end" if there[:, -1].all() and not there.all() else "start"
    return Internals(
        {layer.name: layer}, output=h, loss=None, dx=None, lengths=lengths, align=align
    )


def array(inside: Internals, layer: str, field: str) -> Array:
    """An array of a layer; ValueError where it has none."""
    return np.asarray(_of_layer(inside, layer, field), float)


def _of_layer(inside: Internals, layer: str, field: str) -> Any:
    """An array of a layer, or its gates by name; ValueError where it has none."""
    _validate.one_of("layer", layer, list(inside))
    if field not in fields_of(inside[layer]):
        has = ", ".join(fields_of(inside[layer]))
        raise ValueError(f"field: expected one that {layer} has, {has}; got {field!r}")
    return getattr(inside[layer], field)


def fields_of(layer: Inside) -> list[str]:
    """What a layer has that can be drawn."""
    there = [name for name in FIELDS if getattr(layer, name) is not None]
    return there + [name for name in GATE_FIELDS if getattr(layer, name)]


def having(inside: Internals, field: str) -> list[str]:
    """The layers that have an array of a field."""
    return [name for name in inside if field in fields_of(inside[name])]


def alive(inside: Internals, values: Array) -> Mask:
    """Where (n, T) of values (n, T, units) samples have a timestep; everywhere (n, ...) of others."""
    if inside.lengths is None or values.ndim != 3:
        return np.full(values.shape[:2], True)
    samples, times = values.shape[:2]
    place = np.arange(times)
    lengths = np.minimum(np.asarray(inside.lengths), times)[:samples, np.newaxis]
    if inside.align == "end":
        return np.asarray(place >= times - lengths, bool)
    return np.asarray(place < lengths, bool)


def there(inside: Internals, values: Array) -> Array:
    """All values (k,) that belong to a timestep of a sample."""
    return values[alive(inside, values)].ravel() if values.ndim == 3 else values.ravel()


def sizes(inside: Internals, field: str, layer: str | int | None, gate: str | None) -> Sizes:
    """A field by sample and unit (n, units), or the norm over units by sample and timestep (n, T).

    Of images it is the norm over places, by channel (n, C); of gates' values the mean.
    """
    _validate.one_of("field", field, {**FIELDS, **GATE_FIELDS, **_OF_INPUTS})
    if gate is not None and field not in GATE_FIELDS:
        raise ValueError(f"gate: expected None with field={field!r}, got {gate!r}")
    about, values, of = _picked(inside, field, layer, gate)
    present = alive(inside, values)
    if values.ndim <= 2:
        flat = values.reshape(len(values), -1)
        shown = np.abs(flat) if about.log else flat
        return Sizes(about, shown, np.full(flat.shape, True), of, False)
    over = (2,) if values.ndim == 3 else tuple(range(2, values.ndim))
    if field == "gates":
        about = Field(about.title, "mean over units", log=False)
        with np.errstate(invalid="ignore"):
            shown = np.mean(values, axis=over)
    else:
        about, shown = Field(about.title, _NORMS[field]), norms(values, over)
    return Sizes(about, shown, present, of, values.ndim == 3)


def _picked(
    inside: Internals, field: str, layer: str | int | None, gate: str | None
) -> tuple[Field, Array, str]:
    """What a field is called, its array, and of which layer it is; ValueError where there is none."""
    if field in _OF_INPUTS:
        if layer is not None:
            raise ValueError(f"layer: expected None with field={field!r}, got {layer!r}")
        if inside.dx is None:
            raise ValueError(without(inside, field))
        return _OF_INPUTS[field], np.asarray(inside.dx, float), ""
    some = having(inside, field)
    if layer is None and not some:
        raise ValueError(without(inside, field))
    options = list(inside) if isinstance(layer, str) else some
    name = options[0] if layer is None else style.name_of("layer", layer, options)
    if field not in GATE_FIELDS:
        return FIELDS[field], array(inside, name, field), name
    gates: dict[str, Any] = _of_layer(inside, name, field)
    if gate is None and len(gates) > 1:
        raise ValueError(f"gate: expected one of {', '.join(gates)} with field={field!r}, got None")
    chosen = next(iter(gates)) if gate is None else _validate.one_of("gate", gate, gates)
    about = GATE_FIELDS[field]
    return (
        about._replace(title=about.title.format(chosen)),
        np.asarray(gates[chosen], float),
        name,
    )


def without(inside: Internals, field: str) -> str:
    """That no layer has a field, and what there is."""
    there = [name for name in (*FIELDS, *GATE_FIELDS) if having(inside, name)]
    there += [] if inside.dx is None else ["dx"]
    gradients = {"dgates", "dx", *(name for name, about in FIELDS.items() if about.log)}
    needed = field in gradients and not gradients.intersection(there)
    hint = ": gradients need internals(x, y)" if needed else ""
    return f"field: expected one of {', '.join(there)}, which there are; got {field!r}{hint}"


def norms(values: Array, over: tuple[int, ...]) -> Array:
    """L2 norms over some axes; gradients as small as those of deep networks do not underflow."""
    with np.errstate(invalid="ignore", over="ignore"):
        most = np.max(np.abs(values), axis=over, keepdims=True, initial=0.0)
        scale = np.where(np.isfinite(most) & (most > 0), most, 1.0)
        found = np.sqrt(np.sum((values / scale) ** 2, axis=over)) * np.squeeze(scale, over)
    return np.asarray(found, float)


def timesteps(source: GradientFlow | Internals, count: int) -> tuple[Array, str]:
    """So many timesteps on an axis, and what it is called: sequences that end together are counted back."""
    if isinstance(source, Internals) and source.align == "end":
        return np.arange(1.0 - count, 1.0), "timestep, counted from the last"
    return np.arange(count, dtype=float), "timestep $t$"
