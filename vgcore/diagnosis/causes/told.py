"""Many factors in one: what is typical, which part is to blame, and a sentence about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from vgcore import _slopes, activations
from vgcore.activations import Formula
from vgcore.diagnosis.finding import Factor
from vgcore.layers import RNN
from vgcore.model import Sequential

Part = Literal["weights", "slopes", "norms", "skips", "gates"]
_TIMESTEP = "timestep"
_IDENTITY = activations.get("identity")
_UNDERFLOW = 1e-20  # of a gradient that was smaller before, a 0 is but the end of vanishing
_NOTHING = 0.01  # a part within 1 % of 1 is not worth a word


def typical(factors: Sequence[Factor]) -> Factor:
    """The geometric mean of factors, part by part, whose place is "each layer" or "each timestep".

    Of those that are finite and above 0; where there are none, of those that are numbers, so 0 if the
    gradient vanishes at once.
    """
    if not factors:
        raise ValueError("factors: expected at least one, got none")
    rows = np.array([[each.total, *_parts(each)] for each in factors])
    for fit in (np.isfinite(rows) & (rows > 0), ~np.isnan(rows)):
        if fit.all(axis=1).any():
            rows = rows[fit.all(axis=1)]
            break
    with np.errstate(all="ignore"):
        total, *parts = map(float, np.exp(np.mean(np.log(rows), axis=0)))
    place = "each timestep" if _in_time(factors) else "each layer"
    return Factor(place, total, *parts)


def blame(factors: Sequence[Factor]) -> Part:
    """The part with the largest share of the logarithm of the product; skips of walks are "gates".

    Where the gradient becomes 0 at once, and not by having vanished before, the part that is 0.
    """
    one = _stopped(factors) or typical(factors)
    sign = -1 if one.total < 1 else 1
    with np.errstate(all="ignore"):
        logs = {part: sign * float(np.log(value)) for part, value in _by_name(one).items()}
    return max(logs, key=lambda part: -math.inf if math.isnan(logs[part]) else logs[part])


def sentence(factors: Sequence[Factor], model: Sequential | None = None) -> str:
    """What factors say, in one sentence.

    Parameters
    ----------
    factors : sequence of Factor
    model : Sequential, optional
        Names the activation, if it has one throughout, and how steep that is at most.

    Raises
    ------
    ValueError
        If there are no factors.
    """
    one, stopped = typical(factors), _stopped(factors)
    names = _names(factors, model)
    if stopped is not None:
        return f"No gradient gets to {stopped.place}: {names[blame(factors)]} multiply it by 0."
    if math.isnan(one.total):
        return "The gradient is 0 or not finite from the loss on, so no factor can be told."
    who = "each timestep" if _in_time(factors) else f"each of {len(factors)} layers"
    if len(factors) == 1:
        who = f"the step to {factors[0].place}"
    worst = blame(factors)
    told = sorted(
        (part != worst, f"{names[part]} by {value:.2g}")
        for part, value in _by_name(one).items()
        if not abs(value - 1) <= _NOTHING
    )
    why = ": " * bool(told) + ", ".join(text for _, text in told)
    return f"{who[0].upper()}{who[1:]} multiplies the gradient by {one.total:.2g}{why}."


def _names(factors: Sequence[Factor], model: Sequential | None) -> dict[Part, str]:
    """What parts are called in a sentence."""
    slopes = "slopes" if model is None else _slopes_of(model, in_time=_in_time(factors))
    gated = _in_time(factors) and any(each.skips != 1 for each in factors)
    return {
        "weights": "what the gates add" if gated else "weights",
        "slopes": slopes,
        "norms": "norms",
        "skips": "skip connections",
        "gates": "the gates' own path",
    }


def _slopes_of(model: Sequential, *, in_time: bool) -> str:
    """Slopes, by the activation that all hidden layers have, or all that walk through time."""
    parts = [part for layer in model.layers for part in layer.parts()]
    parts = [part for part in parts if isinstance(part, RNN)] if in_time else parts[:-1]
    if any(column.gates for part in parts for column in part.columns() if not in_time):
        return "slopes"
    used = {getattr(part, "activation", _IDENTITY) for part in parts} - {_IDENTITY}
    if len(used) != 1:
        return "slopes"
    [activation] = used
    if isinstance(activation, Formula) or not activation.unitwise:
        return f"{activation.name} slopes"
    steepest = _slopes.survey(activation.function).steepest
    most = f" (at most {steepest:.2g} each)" if steepest < 1 else ""
    return f"{activation.name} slopes{most}"


def _parts(factor: Factor) -> list[float]:
    return [factor.weights, factor.slopes, factor.norms, factor.skips]


def _by_name(factor: Factor) -> dict[Part, float]:
    """Its parts; skips of a walk are its gates."""
    last: Part = "gates" if _in_time([factor]) else "skips"
    names: tuple[Part, ...] = ("weights", "slopes", "norms", last)
    return dict(zip(names, _parts(factor), strict=True))


def _in_time(factors: Sequence[Factor]) -> bool:
    return _TIMESTEP in factors[0].place


def _stopped(factors: Sequence[Factor]) -> Factor | None:
    """The factor at which a gradient that was there becomes 0."""
    left = 1.0
    for factor in factors:
        if factor.total == 0:
            return factor if left > _UNDERFLOW else None
        left *= factor.total
    return None
