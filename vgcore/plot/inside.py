"""What `Sequential.internals` gives, as pictures read it: where there is a value, and sizes of gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from vgcore import _validate
from vgcore.flow import GradientFlow, Inside, Internals
from vgcore.plot.fields import Array, Field, Mask

FIELDS = {
    "delta": Field("Error signal", r"$|\partial L/\partial z|$"),
    "dh": Field("Gradient of the outputs", r"$|\partial L/\partial h|$"),
    "dh_direct": Field("Gradient of the outputs from above", r"direct $|\partial L/\partial h|$"),
    "dc": Field("Gradient of the cell states", r"$|\partial L/\partial c|$"),
    "z": Field("Pre-activations", "pre-activation $z$", log=False),
    "h": Field("Outputs", "output $h$", log=False),
    "c": Field("Cell states", "cell state $c$", log=False),
}
_NORMS = {
    "delta": r"$\|\partial L/\partial z\|_2$",
    "dh": r"$\|\partial L/\partial h\|_2$",
    "dh_direct": r"direct $\|\partial L/\partial h\|_2$",
    "dc": r"$\|\partial L/\partial c\|_2$",
    "z": r"$\|z\|_2$",
    "h": r"$\|h\|_2$",
    "c": r"$\|c\|_2$",
}


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
    _validate.one_of("layer", layer, list(inside))
    values = getattr(inside[layer], field, None)
    if values is None:
        has = [name for name in FIELDS if getattr(inside[layer], name, None) is not None]
        raise ValueError(
            f"field: expected one that {layer} has, {', '.join(has) or 'which has none'}; got {field!r}"
        )
    return np.asarray(values, float)


def having(inside: Internals, field: str) -> list[str]:
    """The layers that have an array of a field."""
    return [name for name in inside if getattr(inside[name], field, None) is not None]


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


def sizes(inside: Internals, layer: str, field: str) -> tuple[Field, Array, Mask]:
    """A field by sample and unit (n, units), or the norm over units by sample and timestep (n, T).

    Of images it is the norm over places, by channel (n, C). Where there is a value is told beside it.
    """
    values, about = array(inside, layer, field), FIELDS[field]
    if values.ndim == 2:
        shown = np.abs(values) if about.log else values
        return about, shown, np.full(values.shape, True)
    over = (2,) if values.ndim == 3 else tuple(range(2, values.ndim))
    about = Field(about.title, _NORMS[field])
    return about, norms(values, over), alive(inside, values)


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
