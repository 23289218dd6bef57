"""Records as a page holds them: every field with values, thinned to a size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.flow import GradientFlow
from vgcore.flow.record import DISTRIBUTION_FIELDS, FIELDS, GATE_FIELDS, TIME_FIELDS
from vgcore.plot import fields
from vgcore.reporting import packing
from vgcore.reporting.thinning import Mask, edges, thinned

ROOM = 2_300_000  # characters of base64 for all numbers of a page
_OF_DISTRIBUTIONS, _OF_TIME = 0.15, 0.35  # parts of it, where there are any
_BYTES = 3 * 4 + 1  # of a bucket: three numbers and its marks
_FEWEST, _MOST = 8, 480  # buckets of steps
_MOST_TIMESTEPS = 240
_MOST_DISTRIBUTIONS = 60
_WORDS = {
    **{r"\partial ": "∂", r"\partial": "∂", r"\Delta ": "Δ", r"\|": "‖"},
    **{"_2": "₂", "_t": "ₜ", r"\,": "", "$": ""},
}


class _Series(NamedTuple):
    """A field as a matrix of steps by layers or timesteps."""

    about: fields.Field
    values: NDArray[Any]
    there: Mask
    like: str = ""  # the field whose values it has, every one


def packed(flows: Mapping[str, GradientFlow]) -> dict[str, Any]:
    """Records by name, as JSON can hold them, with what was left out of each in words."""
    room = ROOM // max(len(flows), 1)
    runs = [_run(name, flow, room) for name, flow in flows.items()]
    abouts = {name: _about(about) for name, about in _abouts().items()}
    return {"runs": runs, "about": abouts, "precision": packing.PRECISION}


def _abouts() -> dict[str, fields.Field]:
    return {**fields.FIELDS, **fields.STEP_FIELDS, **fields.TIME_FIELDS}


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
    steps = len(flow)
    has_time = bool(flow.gates)
    distributions = _distributions(flow, int(room * _OF_DISTRIBUTIONS))
    room -= int(room * _OF_DISTRIBUTIONS) if distributions else 0
    matrices = dict(_of_layers(flow))
    series = sum(not each.like for each in matrices.values()) * max(len(flow.layers), 1) + 1
    rows = edges(steps, _buckets(steps, series, room - int(room * _OF_TIME) * has_time))
    of_time = room - int(len(rows) * series * _BYTES * 4 / 3)
    return {
        "name": name,
        "layers": flow.layers,
        "recorded": steps,
        "steps": _steps(flow, rows),
        "loss": _packed(_loss(flow), rows)[1],
        "fields": dict(_packed_as(field, series, rows) for field, series in matrices.items()),
        "walks": _walks(flow, of_time),
        "distributions": distributions,
    }


def _buckets(steps: int, series: int, room: int) -> int:
    """How many buckets of steps fit; all steps, where these do."""
    if steps * series * 5 * 4 / 3 <= room and steps <= 3 * _MOST:  # one number and marks each
        return steps
    return int(np.clip(room * 3 / 4 / (series * _BYTES), _FEWEST, _MOST))


def _steps(flow: GradientFlow, rows: NDArray[Any]) -> dict[str, Any]:
    """The number of each bucket's first step, and of its last."""
    last = np.append(rows[1:], len(flow)) - 1
    return {"first": flow.step[rows].tolist(), "last": flow.step[last].tolist()}


def _loss(flow: GradientFlow) -> _Series:
    about, values, told = fields.of_step(flow, "loss")
    return _Series(about, values[:, np.newaxis], told[:, np.newaxis])


def _of_layers(flow: GradientFlow) -> Iterator[tuple[str, _Series]]:
    for name in FIELDS:
        values = getattr(flow, name)
        there = fields.present(flow, name)
        if not there.any() or np.isnan(values).all():
            continue
        like = name.removesuffix("_applied")
        same = like != name and np.array_equal(values, getattr(flow, like), equal_nan=True)
        yield name, _Series(fields.FIELDS[name], values, there, like if same else "")


def _packed_as(field: str, series: _Series, rows: NDArray[Any]) -> tuple[str, dict[str, Any]]:
    return field, {"like": series.like} if series.like else _packed(series, rows)[1]


def _packed(
    series: _Series, rows: NDArray[Any], columns: NDArray[Any] | None = None
) -> tuple[NDArray[Any], dict[str, Any]]:
    """The columns' buckets, and the matrix as JSON can hold it."""
    columns = np.arange(series.values.shape[1]) if columns is None else columns
    told = thinned(series.values, series.there, rows, columns)
    held: dict[str, Any] = {"first": packing.numbers(told.first), "counts": told.counts.tolist()}
    if told.low is not None and told.high is not None:
        held.update(low=packing.numbers(told.low), high=packing.numbers(told.high))
    if told.marks is not None:
        held["marks"] = packing.octets(told.marks)
    return columns, held


def _walks(flow: GradientFlow, room: int) -> dict[str, Any]:
    """Each walk's fields of time: those of gates one by one, as "time_gate/f"."""
    series = {walk: dict(_of_walk(flow, walk)) for walk in flow.gates if flow.time[walk].shape[1]}
    if not series or not len(flow):
        return {}
    share = room // sum(len(each) for each in series.values())
    return {walk: _walk(flow, each, share) for walk, each in series.items()}


def _of_walk(flow: GradientFlow, walk: str) -> Iterator[tuple[str, _Series]]:
    for name in TIME_FIELDS:
        recorded = getattr(flow, name)
        if walk not in recorded:
            continue
        for gate in flow.gates[walk] if name in GATE_FIELDS else (None,):
            about, values = fields.of_gate(flow, walk, name, gate)
            if not np.isnan(values).all() or not np.isfinite(flow.delta).all():
                there = fields.present_in_time(flow, walk, name)
                key = name if gate is None else f"{name}/{gate}"
                yield key, _Series(about, values, there)


def _walk(flow: GradientFlow, series: Mapping[str, _Series], room: int) -> dict[str, Any]:
    steps, times = next(iter(series.values())).values.shape
    columns = edges(times, _MOST_TIMESTEPS)
    rows = edges(steps, _buckets(steps, len(columns), room))
    last = np.append(columns[1:], times) - 1
    return {
        "timesteps": times,
        "steps": _steps(flow, rows),
        "first": columns.tolist(),
        "last": last.tolist(),
        "fields": {name: _packed(each, rows, columns)[1] for name, each in series.items()},
    }


def _distributions(flow: GradientFlow, room: int) -> dict[str, Any]:
    """Shares of each layer's numbers by binary exponent, at some of the steps at which they were recorded.

    Rows are zeros, the bins, infinite ones and NaN.
    """
    try:
        of = {field: flow.distribution(field) for field in DISTRIBUTION_FIELDS}
    except ValueError:
        return {}
    held = {}
    for field, told in of.items():
        if not told.total.any():
            continue
        infinite = told.plus_inf + told.minus_inf
        special = [each[..., np.newaxis] for each in (told.zero, infinite, told.nan)]
        counts = np.concatenate([special[0], told.counts, *special[1:]], axis=-1)
        size = counts[0].size * 4 / 3 * len(of)
        some = edges(len(told.step), int(np.clip(room / size, 2, _MOST_DISTRIBUTIONS)))
        shares = counts[some] / np.maximum(told.total[some], 1)[..., np.newaxis]
        held[field] = {
            "steps": told.step[some].tolist(),
            "recorded": len(told.step),
            "exponent": int(np.frexp(told.edges[0])[1]) - 1,
            "bins": len(told.edges) - 1,
            "shares": packing.octets(np.ceil(255 * shares)),  # what is there at all is not 0
        }
    return held


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
    }
