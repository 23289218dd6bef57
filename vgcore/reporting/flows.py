"""Records as a page holds them: every field with values, thinned to a size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vgcore.flow import GradientFlow
from vgcore.flow.record import FIELDS, GATE_FIELDS, TIME_FIELDS
from vgcore.plot import fields
from vgcore.reporting import packing
from vgcore.reporting.matrices import Series, buckets, packed_in, size_of, steps_in
from vgcore.reporting.parts import parts_of
from vgcore.reporting.thinning import edges

ROOM = 2_300_000  # characters of base64 for all numbers of a page
_OF_PART, _OF_TIME = 0.15, 0.35  # parts of it at least, where there are any
_MOST_TIMESTEPS = 240
_WORDS = {
    **{r"\partial ": "∂", r"\partial": "∂", r"\Delta ": "Δ", r"\|": "‖"},
    **{"_2": "₂", "_t": "ₜ", r"\,": "", "$": ""},
}


def packed(flows: Mapping[str, GradientFlow]) -> dict[str, Any]:
    """Records by name, as JSON can hold them, with what was left out of each in words."""
    room = ROOM // max(len(flows), 1)
    runs = [_run(name, flow, room) for name, flow in flows.items()]
    abouts = {name: _about(about) for name, about in _abouts().items()}
    return {"runs": runs, "about": abouts, "precision": packing.PRECISION}


def _abouts() -> dict[str, fields.Field]:
    return {**fields.FIELDS, **fields.STEP_FIELDS, **fields.TIME_FIELDS, **fields.UNIT_FIELDS}


def _about(about: fields.Field) -> dict[str, Any]:
    return {
        "title": about.title,
        "axis": plain(about.axis),
        "log": about.log,
        "share": about.share,
        "guide": about.guide,
    }


def plain(label: str) -> str:
    """A label of matplotlib's without its mathematical markup."""
    for markup, text in _WORDS.items():
        label = label.replace(markup, text)
    return re.sub(r"\s+", " ", label)


def _run(name: str, flow: GradientFlow, room: int) -> dict[str, Any]:
    flow = flow[:]  # what is recorded by now
    parts = parts_of(flow)
    reserved = _OF_TIME * bool(flow.gates) + _OF_PART * len(parts)
    layers = dict(_of_layers(flow))
    columns = sum(not each.like for each in layers.values()) * max(len(flow.layers), 1) + 1
    rows = edges(len(flow), buckets(len(flow), columns, int(room * (1 - reserved))))
    held = {
        "name": name,
        "layers": flow.layers,
        "recorded": len(flow),
        "steps": steps_in(flow.step, rows),
        "loss": packed_in(_loss(flow), rows),
        "fields": {
            field: {"like": series.like} if series.like else packed_in(series, rows)
            for field, series in layers.items()
        },
    }
    room -= size_of(held)
    for place, (part, pack) in enumerate(parts.items()):
        share = max(room, 0) // (len(parts) - place + 2 * bool(flow.gates))
        held[part] = pack(flow, share)
        room -= size_of(held[part])
    return {"distributions": {}, "units": {}, **held, "walks": _walks(flow, max(room, 0))}


def _loss(flow: GradientFlow) -> Series:
    about, values, told = fields.of_step(flow, "loss")
    return Series(about, values[:, np.newaxis], told[:, np.newaxis])


def _of_layers(flow: GradientFlow) -> Iterator[tuple[str, Series]]:
    """Each field with values; where none has any, delta, which has become NaN."""
    told = [name for name in FIELDS if not np.isnan(getattr(flow, name)).all()] or ["delta"]
    for name in told:
        values = getattr(flow, name)
        like = name.removesuffix("_applied")
        same = like != name and np.array_equal(values, getattr(flow, like), equal_nan=True)
        yield (
            name,
            Series(fields.FIELDS[name], values, fields.present(flow, name), like if same else ""),
        )


def _walks(flow: GradientFlow, room: int) -> dict[str, Any]:
    """Each walk's fields of time: those of gates one by one, as "time_gate/f"."""
    series = {walk: dict(_of_walk(flow, walk)) for walk in flow.gates if flow.time[walk].shape[1]}
    if not series or not len(flow):
        return {}
    share = room // sum(len(each) for each in series.values())
    return {walk: _walk(flow, each, share) for walk, each in series.items()}


def _of_walk(flow: GradientFlow, walk: str) -> Iterator[tuple[str, Series]]:
    for name in TIME_FIELDS:
        recorded = getattr(flow, name)
        if walk not in recorded:
            continue
        for gate in flow.gates[walk] if name in GATE_FIELDS else (None,):
            about, values = fields.of_gate(flow, walk, name, gate)
            if not np.isnan(values).all() or not np.isfinite(flow.delta).all():
                there = fields.present_in_time(flow, walk, name)
                key = name if gate is None else f"{name}/{gate}"
                yield key, Series(about, values, there)


def _walk(flow: GradientFlow, series: Mapping[str, Series], room: int) -> dict[str, Any]:
    steps, times = next(iter(series.values())).values.shape
    columns = edges(times, _MOST_TIMESTEPS)
    rows = edges(steps, buckets(steps, len(columns), room))
    last = np.append(columns[1:], times) - 1
    return {
        "timesteps": times,
        "steps": steps_in(flow.step, rows),
        "first": columns.tolist(),
        "last": last.tolist(),
        "fields": {name: packed_in(each, rows, columns) for name, each in series.items()},
    }


def told(run: Mapping[str, Any]) -> dict[str, Any]:
    """How a run was thinned, for the page to say."""
    return {
        "name": run["name"],
        "recorded": run["recorded"],
        "kept": len(run["steps"]["first"]),
        "walks": [
            {
                "name": name,
                "kept": len(walk["steps"]["first"]),
                "timesteps": walk["timesteps"],
                "kept_timesteps": len(walk["first"]),
            }
            for name, walk in run["walks"].items()
        ],
        "distributions": [
            {"field": field, "kept": len(each["steps"]), "recorded": each["recorded"]}
            for field, each in run["distributions"].items()
        ],
        "units": run["units"]
        and {name: run["units"][name] for name in ("kept", "recorded", "most_units", "kept_units")},
    }
