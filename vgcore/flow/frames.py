"""The columns of a record in a table, a row for each step and layer, unit or timestep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.flow.record import FIELDS, GATE_FIELDS, TIME_FIELDS, UNIT_FIELDS, Declaration

Array = NDArray[Any]


def of_layers(rows: Mapping[Any, Array], layers: Sequence[str]) -> dict[str, Array]:
    """A row for each step and layer."""
    steps = len(rows["step"])
    columns = {name: np.repeat(rows[name], len(layers)) for name in ("step", "loss")}
    columns["layer"] = np.array([*layers] * steps, dtype=object)
    return {**columns, **{name: rows[name].reshape(-1) for name in FIELDS}}


def of_time(rows: Mapping[Any, Array], declared: Declaration) -> dict[str, Array]:
    """A row for each step, walk and timestep; NaN where a walk has no such gate or field."""
    parts = [_of_walk(rows, name, declared.walks[name].gates) for name in declared.walks]
    names = list(dict.fromkeys(name for part in parts for name in part))
    return {
        name: np.concatenate([part.get(name, np.full(len(part["step"]), np.nan)) for part in parts])
        for name in names
    }


def of_units(steps: Array, fields: Mapping[Any, Array], layers: Sequence[str]) -> dict[str, Array]:
    """A row for each step, layer and unit."""
    parts = [_of_layer(steps, fields, layer) for layer in layers]
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
    )


def _of_layer(steps: Array, fields: Mapping[Any, Array], layer: str) -> dict[str, Array]:
    units = fields[UNIT_FIELDS[0], layer].shape[1]
    return {
        "step": np.repeat(steps, units),
        "layer": np.full(len(steps) * units, layer, dtype=object),
        "unit": np.tile(np.arange(units), len(steps)),
        **{name: fields[name, layer].reshape(-1) for name in UNIT_FIELDS},
    }


def _of_walk(rows: Mapping[Any, Array], walk: str, gates: Sequence[str]) -> dict[str, Array]:
    steps, times = rows["time", walk].shape
    columns: dict[str, Array] = {
        "step": np.repeat(rows["step"], times),
        "layer": np.full(steps * times, walk, dtype=object),
        "timestep": np.tile(np.arange(times), steps),
    }
    for field in TIME_FIELDS:
        values = rows.get((field, walk))
        if values is None:
            continue
        if field not in GATE_FIELDS:
            columns[field] = values.reshape(-1)
            continue
        for place, gate in enumerate(gates):
            columns[f"{field}_{gate}"] = values[:, :, place].reshape(-1)
    return columns
