"""The explorer's pictures of what is chosen: each says whether it is there, and on what it depends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.live.blocks import Coarse, coarse, mosaic
from vgcore.live.chosen import Chosen
from vgcore.live.pictures import Picture
from vgcore.plot.fields import present, present_in_time

Array = NDArray[Any]


class Field(NamedTuple):
    """What is told of each layer: a field of records."""

    title: str
    label: str
    log: bool = True
    share: bool = False


FIELDS = {
    "delta": Field("Gradient", "‖∂L/∂z‖"),
    "weight_grad": Field("Gradient of the weights", "‖∂L/∂W‖"),
    "weight_norm": Field("Size of the weights", "‖W‖"),
    "update_ratio": Field("Update ratio", "‖ΔW‖ / ‖W‖"),
    "activation_std": Field("Spread of the outputs", "standard deviation", log=False),
    "saturated": Field("Saturated outputs", "share", log=False, share=True),
    "dead": Field("Dead units", "share", log=False, share=True),
}
_OF_TIME = {"time": "∂L/∂hₜ", "time_direct": "direct ∂L/∂hₜ", "time_cell": "∂L/∂cₜ"}
_OF_UNITS = {
    "delta": "unit_delta",
    "weight_norm": "unit_weight",
    "saturated": "unit_saturated",
    "dead": "unit_dead",
}
_GRADIENTS = "delta", "dh", "dh_direct", "dc"


def over_layers(chosen: Chosen) -> Picture:
    """A field over the layers, at the step."""
    flow, name = chosen.recorded, chosen.field
    line = _line(0, chosen.when, getattr(flow, name)[-1], ~present(flow, name)[-1])
    return {
        **_of_field(name, "layers", f"over the layers, {chosen.when}"),
        "x": {"names": chosen.kept.layers, "label": "layer, from the input on"},
        "lines": [line],
        "choose": {"place": "layer"},
    }


def over_steps(chosen: Chosen) -> Picture:
    """A field of the layer over the steps of the flow."""
    flow, name = chosen.flow, chosen.field
    assert flow is not None
    column = flow.layers.index(chosen.layer)
    values, none = getattr(flow, name)[:, column], ~present(flow, name)[:, column]
    line, places = _thinned(0, chosen.layer, values, none)
    return {
        **_of_field(name, "steps", f"of {chosen.layer}, over the steps{_blocks(places)}"),
        "x": _steps(flow.step, places),
        "lines": [line],
        "choose": {"place": "step"},
    }


def unit_over_steps(chosen: Chosen) -> Picture:
    """The field of the unit over the steps that the flow has units of."""
    name, flow = chosen.field, chosen.flow
    line, places = _thinned(
        *(0, f"unit {chosen.unit}"),
        getattr(flow, _OF_UNITS[name])[chosen.layer][:, chosen.unit],
        None,
    )
    title = f"{FIELDS[name].title} of {chosen.unit_word} {chosen.unit}"
    return {
        **_of_field(name, "unit_steps", f"of {chosen.layer}, over the steps{_blocks(places)}"),
        **{"title": title, "lines": [line], "choose": {"place": "step"}},
        "x": _steps(getattr(flow, "unit_step"), places),  # noqa: B009
    }


def through_time(chosen: Chosen) -> Picture:
    """Norms of the gradient of the layer's states over the timesteps, at the step."""
    flow, walk = chosen.recorded, chosen.layer
    lines: list[Picture] = []
    places = range(0)
    for name, sign in _OF_TIME.items():
        if walk in getattr(flow, name):
            values = getattr(flow, name)[walk][-1]
            none = ~present_in_time(flow, walk, name)[-1]
            line, places = _thinned(len(lines), sign, values, none)
            lines.append(line)
    return {
        **_about("lines", "time", f"Gradient through time, {walk}"),
        **{"note": f"{chosen.when}{_blocks(places)}", "label": "norm over samples and units"},
        **{"log": True, "x": _axis("timestep", places), "lines": lines},
        "choose": {"place": "timestep"},
    }


def timesteps(chosen: Chosen) -> Picture:
    """The quantity of the sample: units over timesteps."""
    values, note = chosen.shown[chosen.sample].T, f"sample {chosen.sample}"
    return _map("timesteps", chosen, values, "timestep", note, none=chosen.silent)


def over_samples(chosen: Chosen) -> Picture:
    """The quantity of all samples: units over samples, at the timestep if there are some."""
    values, none = chosen.shown, None
    note = "over the samples"
    if chosen.in_time:
        values, note = values[:, chosen.timestep], f"{note}, timestep {chosen.timestep}"
        lengths = chosen.kept.lengths
        none = None if lengths is None else lengths <= chosen.timestep
    elif chosen.is_image:
        values, note = _largest(values), f"{note}; of each image the largest in magnitude"
    return _map("samples", chosen, values.T, "sample", note, none=none)


def image(chosen: Chosen) -> Picture:
    """The quantity of one channel of the sample, as the image that it is."""
    values = chosen.shown[chosen.sample, chosen.unit, ::-1]
    note = f"channel {chosen.unit}, sample {chosen.sample}"
    told = _map("image", chosen, values, "column", note, rows="row")
    high, block = len(values), told["block"]
    del told["choose"]
    ends = [(max(high - first - block, 0), high - first) for first in range(0, high, block)]
    rows = [_span(*each) for each in ends]
    return {**told, "rows": rows, "square": True}


def channels(chosen: Chosen) -> Picture:
    """The quantity of all channels of the sample, as small images."""
    found = mosaic(chosen.shown[chosen.sample])
    rows, columns = (np.arange(count) for count in found.values.shape)
    note = f"all channels from the lower left on, sample {chosen.sample}"
    if found.shown < chosen.units:
        note = f"the first {found.shown} of {chosen.units} channels, sample {chosen.sample}"
    if found.block > 1:
        note += f"; of every {found.block} × {found.block} pixels the largest in magnitude"
    first = rows // found.high * found.across
    return {
        **_about("heat", "channels", chosen.title),
        **{"note": note, "label": "channel", "log": chosen.log, "diverging": not chosen.log},
        **{"square": True, "row_word": "channel"},
        "x": {
            **{"span": {"low": 0, "high": found.across}, "count": len(columns)},
            "label": "and so many channels on",
        },
        "place_values": (columns // found.wide).astype(np.int32),
        "rows": [str(each) for each in first],
        "row_values": first.astype(np.int32),
        "values": np.abs(found.values) if chosen.log else found.values,
        "absent": found.blank.astype(np.uint8),
        "choose": {"place": "unit", "row": "unit"},
    }


def one_unit(chosen: Chosen) -> Picture:
    """Numbers of the unit: over the timesteps of the sample, or over the samples."""
    none, over = chosen.silent, "timestep" if chosen.in_time else "sample"
    lines: list[Picture] = []
    places = range(0)
    for name, array in _family(chosen).items():
        values = _largest(array) if chosen.is_image else array
        values = values[(chosen.sample, ..., chosen.unit) if chosen.in_time else (..., chosen.unit)]
        values = np.abs(values) if chosen.log else values
        line, places = _thinned(len(lines), name, values, none)
        lines.append(line)
    note = f"sample {chosen.sample}" if chosen.in_time else "over the samples"
    note += "; of each image the largest in magnitude" if chosen.is_image else ""
    kind = "gradient" if chosen.quantity in _GRADIENTS else "value"
    return {
        **_about(
            "lines", "unit", f"{chosen.unit_word.capitalize()} {chosen.unit} of {chosen.layer}"
        ),
        **{
            "note": f"{note}{_blocks(places)}",
            "label": f"magnitude of {kind}" if chosen.log else kind,
        },
        **{"log": chosen.log, "x": _axis(over, places), "lines": lines},
        "choose": {"place": over},
    }


def weights(chosen: Chosen) -> Picture:
    """The layer's weights: units over inputs."""
    return _weights(chosen, "weights", "Weights W", chosen.kept.weights)


def weight_grad(chosen: Chosen) -> Picture:
    """The gradient of the layer's weights: units over inputs."""
    return _weights(chosen, "weight_grad", "Gradient ∂L/∂W", chosen.kept.gradients)


class Closeup(NamedTuple):
    """A picture: how it is made, whether there is one, and which attributes of `Chosen` it depends on."""

    draw: Callable[[Chosen], Picture]
    there: Callable[[Chosen], bool]
    of: tuple[str, ...]

    def version(self, chosen: Chosen) -> str:
        """The same for the same picture."""
        return "|".join(str(getattr(chosen, name)) for name in self.of)


CLOSEUPS = {
    "layers": Closeup(over_layers, lambda _: True, ("row", "field")),
    "steps": Closeup(
        over_steps, lambda it: it.flow is not None and len(it.flow) > 1, ("layer", "field")
    ),
    "unit_steps": Closeup(
        unit_over_steps,
        lambda it: it.field in _OF_UNITS and len(getattr(it.flow, "unit_step", ())) > 1,
        ("layer", "unit", "field"),
    ),
    "time": Closeup(through_time, lambda it: it.layer in it.recorded.time, ("layer", "row")),
    "timesteps": Closeup(
        timesteps, lambda it: it.in_time, ("layer", "quantity", "gate", "sample", "log")
    ),
    "samples": Closeup(
        over_samples, lambda _: True, ("layer", "quantity", "gate", "timestep", "log")
    ),
    "channels": Closeup(channels, lambda it: it.is_image, ("layer", "quantity", "sample", "log")),
    "image": Closeup(image, lambda it: it.is_image, ("layer", "quantity", "unit", "sample", "log")),
    "unit": Closeup(one_unit, lambda _: True, ("layer", "quantity", "unit", "sequence", "log")),
    "weights": Closeup(weights, lambda it: bool(it.matrix), ("layer", "matrix", "gate", "log")),
    "weight_grad": Closeup(
        weight_grad,
        lambda it: it.matrices.get(it.matrix) in it.kept.gradients,
        ("layer", "matrix", "gate", "log"),
    ),
}


def _about(kind: str, key: str, title: str) -> Picture:
    return {"kind": kind, "key": key, "title": title, "steady": False}


def _of_field(name: str, key: str, note: str) -> Picture:
    title, label, log, share = FIELDS[name]
    return {
        **_about("lines", key, title),
        **{"note": note, "label": label, "log": log, "share": share},
    }


def _family(chosen: Chosen) -> dict[str, Array]:
    """What is told together of a unit: its values, its pre-activations or its gradients; of all gates."""
    inside, found = chosen.inside, dict[str, Array | None]()
    if chosen.quantity in _GRADIENTS:
        found |= {"∂L/∂h": inside.dh, "direct ∂L/∂h": inside.dh_direct, "∂L/∂c": inside.dc}
        if chosen.gates:
            found |= {f"∂L/∂z of gate {name}": each for name, each in inside.dgates.items()}
        else:
            found["∂L/∂z"] = inside.delta
    elif chosen.quantity == "z":
        of_gates = chosen.of_gates(inside.z) if chosen.gates else {}
        found |= {f"z of gate {name}": each for name, each in of_gates.items()}
        if not chosen.gates:
            found["z"] = inside.z
    else:
        found |= {"h": inside.h, "c": inside.c}
        found |= {f"gate {name}": inside.gates[name] for name in chosen.gates}
    return {name: each for name, each in found.items() if each is not None}


def _weights(chosen: Chosen, key: str, title: str, of: dict[str, Array]) -> Picture:
    values = chosen.kept.by_unit(of[chosen.matrices[chosen.matrix]], chosen.layer)
    gate = ""
    if chosen.gates and len(values) == len(chosen.gates) * chosen.units:
        values, gate = chosen.of_gates(values, axis=0)[chosen.gate], f", gate {chosen.gate}"
    told = _map(key, chosen, values, "input", chosen.matrix)
    return {**told, "title": f"{title} of {chosen.layer}{gate}", "choose": {"row": "unit"}}


def _map(
    key: str,
    chosen: Chosen,
    values: Array,
    over: str,
    note: str,
    *,
    rows: str | None = None,
    none: Array | None = None,
) -> Picture:
    """Units, or ``rows``, over something: as magnitudes, or around 0; ``none``: columns without values."""
    word = chosen.unit_word if rows is None else rows
    found = coarse(values if none is None else np.where(none, values.dtype.type(0), values))
    told = _map_of(found, len(values), word, over, note)
    told |= {
        **_about("heat", key, chosen.title),
        **{"label": word, "row_word": word, "log": chosen.log, "diverging": not chosen.log},
        "values": np.abs(found.values) if chosen.log else found.values,
        "choose": {"place": over, "row": "unit"},
    }
    if none is not None:
        told["none"] = np.logical_and.reduceat(none, found.columns).astype(np.uint8)
    return told


def _map_of(found: Coarse, high: int, word: str, over: str, note: str) -> Picture:
    """What of a map depends on its blocks."""
    down, across = found.rows.step, found.columns.step
    told: Picture = {
        "x": _axis(over, found.columns),
        "rows": [_span(first, min(first + down, high)) for first in found.rows],
        "row_values": np.array(found.rows, np.int32),
        "block": down,
        "note": note,
    }
    if found.at is not None:
        told["at"] = found.at
    parts = [f"{down} {word}s" if down > 1 else "", f"{across} {over}s" if across > 1 else ""]
    if any(parts):
        told["note"] += f"; of every {' × '.join(filter(None, parts))} the largest in magnitude"
    return told


def _thinned(i: int, name: str, values: Array, none: Array | None) -> tuple[Picture, range]:
    """A line with as many places as a frame has room for; ``none``: where it has no values."""
    found = coarse((values if none is None else np.where(none, values.dtype.type(0), values))[None])
    gone = np.zeros(1, bool) if none is None else np.logical_and.reduceat(none, found.columns)
    return _line(i, name, found.values[0], gone), found.columns


def _line(i: int, name: str, values: Array, none: Array) -> Picture:
    """A line; ``none``: where it has no value, which is not NaN."""
    told: Picture = {"name": name, "look": {"hue": i}}
    if not none.any():
        return {**told, "values": values}
    gone = np.where(none, values.dtype.type(np.nan), values)
    return {**told, "values": gone, "none": none.astype(np.uint8)}


def _axis(place: str, places: range) -> Picture:
    """Numbered places, or blocks of them."""
    label = "timestep t" if place == "timestep" else place
    end = {"block": places.step, "end": places.stop}
    return {"values": np.array(places, np.int32), "label": label, "place": place, **end}


def _steps(steps: Array, places: range) -> Picture:
    return {"values": steps[list(places)].astype(float), "label": "step", "place": "step"}


def _blocks(places: range) -> str:
    return f"; of every {places.step} the largest in magnitude" if places.step > 1 else ""


def _span(first: int, end: int) -> str:
    """A block of numbers in words."""
    return str(first) if end - first == 1 else f"{first}–{end - 1}"


def _largest(images: Array) -> Array:
    """Of images (n, channels, height, width) the number of each that is largest in magnitude."""
    flat = images.reshape(*images.shape[:2], -1)
    at = np.argmax(np.abs(flat), axis=2)
    found: Array = np.take_along_axis(flat, at[..., np.newaxis], axis=2)[..., 0]
    return found
