"""What a record has of some of its steps alone, as a page holds it: distributions, and single units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vgcore.flow import GradientFlow
from vgcore.flow.record import DISTRIBUTION_FIELDS, UNIT_FIELDS
from vgcore.plot import fields
from vgcore.reporting import packing
from vgcore.reporting.matrices import BYTES, Series, buckets, packed_in, steps_in
from vgcore.reporting.thinning import edges

_MOST_DISTRIBUTIONS = 60
_FEWEST_UNITS, _MOST_UNITS = 8, 128


def parts_of(flow: GradientFlow) -> dict[str, Callable[[GradientFlow, int], dict[str, Any]]]:
    """What packs each part that was recorded."""
    found: dict[str, Callable[[GradientFlow, int], dict[str, Any]]] = {}
    try:
        if len(flow.distribution().step):
            found["distributions"] = distributions
    except ValueError:  # none was recorded
        pass
    try:
        if len(flow.unit_step):
            found["units"] = units
    except ValueError:
        pass
    return found


def units(flow: GradientFlow, room: int) -> dict[str, Any]:
    """Fields of units by layer, "unit_delta": {layer: ...}: those with values."""
    told = {field: getattr(flow, field) for field in UNIT_FIELDS}
    told = {
        field: {layer: rows for layer, rows in by.items() if rows.size and not np.isnan(rows).all()}
        for field, by in told.items()
    }
    matrices = max(sum(map(len, told.values())), 1)
    most = int(np.clip(room / (matrices * 8 * BYTES * 4 / 3), _FEWEST_UNITS, _MOST_UNITS))
    groups = {
        layer: edges(rows.shape[1], most) for by in told.values() for layer, rows in by.items()
    }
    widths = {layer: rows.shape[1] for by in told.values() for layer, rows in by.items()}
    columns = sum(len(groups[layer]) for by in told.values() for layer in by)
    steps = flow.unit_step
    kept = edges(len(steps), buckets(len(steps), max(columns, 1), room))
    return {
        "steps": steps_in(steps, kept),
        "kept": len(kept),
        "recorded": len(steps),
        "most_units": max(widths.values(), default=0),
        "kept_units": max(map(len, groups.values()), default=0),
        "layers": {
            layer: {
                "first": groups[layer].tolist(),
                "last": (np.append(groups[layer][1:], width) - 1).tolist(),
            }
            for layer, width in widths.items()
        },
        "fields": {
            field: {
                layer: packed_in(
                    Series(fields.UNIT_FIELDS[field], rows, np.full(rows.shape, True)),
                    kept,
                    groups[layer],
                )
                for layer, rows in by.items()
            }
            for field, by in told.items()
            if by
        },
    }


def distributions(flow: GradientFlow, room: int) -> dict[str, Any]:
    """Shares of each layer's numbers by binary exponent, at some of the steps at which they were recorded.

    Rows are zeros, the bins, infinite ones and NaN.
    """
    of = {field: flow.distribution(field) for field in DISTRIBUTION_FIELDS}
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
