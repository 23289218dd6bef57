"""Theory of blocks: signals of branches add up, and so do the gradients that come back through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.layers.base import Layer, features
from vgcore.layers.highway import Highway
from vgcore.layers.parallel import Parallel
from vgcore.layers.residual import Residual
from vgcore.theory import gaussian, starts
from vgcore.theory.place import Place, rule, through
from vgcore.theory.signal import (
    Course,
    Gradient,
    Length,
    Signal,
    correlations,
    total,
    variance,
    with_diagonal,
    without_diagonal,
)
from vgcore.theory.units import Back, activate, pass_on, weigh

Array = NDArray[Any]

_TINY = 1e-300  # so that nothing is divided by 0


@rule(Residual)
def _residual(course: Course, layer: Residual, place: Place, signal: Signal) -> tuple[Signal, Back]:
    """``h = f(skip(x) + g body(x))``: lengths add up, and gradients (Yang, Schoenholz 2017)."""
    stacks = [layer.layers, layer.shortcut]
    branches, backs = _branches(course, layer, stacks, place, signal)
    gains = [1.0 if layer.gate_start is None else layer.gate_start, 1.0]
    parts = [part.scaled(gain**2) for part, gain in zip(branches, gains, strict=True)]
    if gains[0] < 0:
        parts[0] = replace(parts[0], mean=-parts[0].mean, drift=-parts[0].drift)
    joined = _sum(course, place, signal, parts)
    if layer.activation.name != "identity" and not joined.normal:
        raise place.refuse(
            f"activations of normal sums, got {layer.activation.name} of a sum with a branch that is not: "
            "pre-activation blocks have theirs inside the body"
        )
    row = place.row(course)
    h, of_units = activate(course, row, joined, layer.activation, place.last)

    def back(gradient: Gradient) -> Gradient:
        delta = of_units(gradient)
        body, skip = (back(_times(delta, gain**2)) for back, gain in zip(backs, gains, strict=True))
        row.skip, row.body = (Length(g.size, variance(g.noise)) for g in (skip, body))
        return brought(course, signal, [body, skip])

    return h, back


@rule(Parallel)
def _parallel(course: Course, layer: Parallel, place: Place, signal: Signal) -> tuple[Signal, Back]:
    """``h = b1(x) + b2(x) + ...``, or all of them side by side."""
    branches, backs = _branches(course, layer, layer.stacks, place, signal)
    summed = layer.merge == "sum"
    joined = _sum(course, place, signal, branches) if summed else side_by_side(branches)
    told = pass_on(course, place.row(course), joined)

    def back(gradient: Gradient) -> Gradient:
        told(gradient)
        return brought(course, signal, [back(gradient) for back in backs])

    return joined, back


def _branches(
    course: Course,
    layer: Residual | Parallel,
    stacks: Sequence[Sequence[Layer]],
    place: Place,
    signal: Signal,
) -> tuple[list[Signal], list[Back]]:
    found, backs = [], []
    for stack in stacks:
        shapes = layer.shapes(stack, place.before)
        out, back = through(
            course, stack, shapes, signal, prefix=f"{place.name}.", times=place.times, last=False
        )
        found.append(out)
        backs.append(back)
    return found, backs


def _sum(course: Course, place: Place, fork: Signal, parts: Sequence[Signal]) -> Signal:
    """The sum of branches, of which all but one go through weights of their own."""
    if sum(part.weights == fork.weights for part in parts) > 1:
        raise place.refuse(
            "sums of branches that are independent, got two without weights of their own"
        )
    square, mean = (added([getattr(part, name) for part in parts]) for name in ("square", "mean"))
    crosses = [part.cross for part in parts]
    cross = None if any(each is None for each in crosses) else added(crosses)
    shared = 0.0
    for one, other in combinations(parts, 2):
        square = square + 2 * one.mean * other.mean
        if cross is None or one.cross is None or other.cross is None:
            shared += 4 * np.float64((one.square * other.square).mean())
            continue
        means = np.multiply.outer(one.mean[: len(cross)], other.mean[: len(cross)])
        cross = cross + means + means.transpose(2, 3, 0, 1)
        shared += 4 * course.average(one.cross * other.cross)
    whole = max(np.float64(square.mean()), _TINY)
    noise = [part.size / whole * part.noise for part in parts]
    shifts = [float(part.mean.mean()) for part in parts]
    tied = [
        2 * (sum(shifts) - own) / whole * part.drift
        for own, part in zip(shifts, parts, strict=True)
    ]
    return Signal(
        square=square,
        mean=mean,
        cross=cross,
        loose=_loose(parts),
        units=parts[0].units,
        noise=total(*noise, *tied, course.source(shared / whole**2 / parts[0].units)),
        drift=total(*(part.drift for part in parts)),
        rough=sum((part.size / whole) ** 2 * part.rough for part in parts),
        tied=sum(part.size / whole * part.tied for part in parts),
        normal=all(part.normal for part in parts),
        weights=max(part.weights for part in parts),
    )


def added(arrays: Sequence[Any]) -> Array:
    """The sum of arrays."""
    found: Array = np.sum(arrays, axis=0)
    return found


def _loose(parts: Sequence[Signal]) -> Array | None:
    """Of a sum of branches, the products of two branches included."""
    if any(part.loose is None for part in parts):
        return None
    found = added([part.loose for part in parts])
    for one, other in combinations(parts, 2):
        if one.cross is not None and other.cross is not None:
            few = len(one.cross)
            both = np.multiply.outer(one.square[:few], other.square[:few])
            found = found + 2 * (both + one.cross * other.cross) / one.units
    return without_diagonal(found)


def side_by_side(parts: Sequence[Signal]) -> Signal:
    """Units of all branches, which are no longer of one kind."""
    units = sum(part.units for part in parts)
    shares = [part.units / units for part in parts]
    size = sum(share * part.size for share, part in zip(shares, parts, strict=True))

    def mean_of(name: str, power: int = 1) -> Any:
        found = [getattr(part, name) for part in parts]
        if any(each is None for each in found):
            return None
        return added([s**power * each for s, each in zip(shares, found, strict=True)])

    noise = [
        s * part.size / max(size, _TINY) * part.noise for s, part in zip(shares, parts, strict=True)
    ]
    return Signal(
        square=mean_of("square"),
        mean=mean_of("mean"),
        cross=mean_of("cross"),
        loose=mean_of("loose", 2),
        units=units,
        noise=total(*noise),
        drift=total(*(s * part.drift for s, part in zip(shares, parts, strict=True))),
        weights=max(part.weights for part in parts),
    )


def _times(gradient: Gradient, factor: float) -> Gradient:
    return replace(
        gradient,
        square=gradient.square * factor,
        cross=None if gradient.cross is None else gradient.cross * factor,
        overlap=None if gradient.overlap is None else gradient.overlap * factor,
    )


def brought(course: Course, fork: Signal, parts: Sequence[Gradient]) -> Gradient:
    """The sum of what branches bring."""
    square = added([part.square for part in parts])
    size = max(np.float64(square.mean()), _TINY)
    shared = 0.0
    for one, other in combinations(parts, 2):
        if one.overlap is None or other.overlap is None:
            shared += 4 * np.float64((one.square * other.square).mean())
        else:
            shared += 4 * course.average(one.overlap * other.overlap)
    noise = [part.size / size * part.noise for part in parts]
    crossed = [part.cross for part in parts if part.cross is not None]
    common = [part.overlap**2 for part in parts if part.overlap is not None]
    every = len(parts)
    return Gradient(
        square=square,
        cross=added(crossed) if len(crossed) == every else None,
        overlap=with_diagonal(np.sqrt(added(common)), square) if len(common) == every else None,
        noise=total(*noise, course.source(shared / size**2 / fork.units)),
        uneven=np.maximum.reduce([part.uneven for part in parts]),
    )


@rule(Highway)
def _highway(course: Course, layer: Highway, place: Place, signal: Signal) -> tuple[Signal, Back]:
    """``h = t g + (1 - t) x`` with g and t independent of each other and of x."""
    units = features(place.before)
    weight, _, bias, bias_gate = layer.parameters(place.before)
    start = starts.of_weight(f"{place.name}.weight", weight.initializer, weight.shape)
    if not course.trained:
        starts.check(f"{place.name}.weight", start, layer.views["weight"])
    of_bias = starts.of_bias(f"{place.name}.bias", bias.initializer, units)
    of_gate = starts.of_bias(f"{place.name}.bias_gate", bias_gate.initializer, units)
    fans = units, units
    z, back_g = weigh(course, signal, weight=start, bias=of_bias, fans=fans, units=units)
    z_gate, back_t = weigh(course, signal, weight=start, bias=of_gate, fans=fans, units=units)
    q = z.square - of_bias.mean**2
    q_gate = z_gate.square - of_gate.mean**2
    g = gaussian.scalars(layer.activation, q, of_bias.mean)
    t = gaussian.scalars(layer.gate_activation, q_gate, of_gate.mean)
    shut = 1 - 2 * t.mean + t.square
    mixed = t.mean - t.square
    square = t.square * g.square + shut * signal.square + 2 * mixed * g.mean * signal.mean
    size = max(np.float64(square.mean()), _TINY)
    share = np.float64((shut * signal.square).mean()) / size
    own = (2 * (1 - share) ** 2 + 4 * share * (1 - share)) * course.products(
        signal.cross, signal.square
    )
    mean = t.mean * g.mean + (1 - t.mean) * signal.mean
    cross = _highway_pairs(layer, signal, z.cross, z_gate.cross, of_bias.mean, of_gate.mean, square)
    h = Signal(
        square=square,
        mean=mean,
        cross=cross,
        loose=signal.loose,
        units=units,
        noise=total(share * signal.noise, course.source(own / units)),
        drift=course.of_mean(cross, square, mean, units),
        weights=signal.weights + 1,
    )
    row = place.row(course)
    told = pass_on(course, row, h)
    row.weight = start.whole(2, units, units)
    row.numbers *= 2  # of delta: those of g and of the gate

    few = 0 if h.cross is None else len(h.cross)
    pass_through = np.multiply.outer(np.sqrt(shut[:few]), np.sqrt(shut[:few]))

    def back(gradient: Gradient) -> Gradient:
        apart = g.square - 2 * g.mean * signal.mean + signal.square
        delta_g, delta_t = t.square * g.slope, t.slope * apart
        told(gradient)
        alike = course.products(gradient.overlap, gradient.square)
        own = course.source(4 * alike / units)
        of_both = []
        for factor in (delta_g, delta_t):
            root = np.sqrt(factor[:few])
            each = gradient.times(factor, np.multiply.outer(root, root))
            of_both.append(replace(each, noise=total(each.noise, own)))
        row.delta = Length(sum(each.size for each in of_both) / 2, variance(of_both[0].noise))
        body = [one(each) for one, each in zip((back_g, back_t), of_both, strict=True)]
        skip = gradient.times(shut, pass_through)
        row.skip = Length(skip.size, variance(skip.noise))
        row.body = Length(sum(each.size for each in body), variance(skip.noise))
        return brought(course, signal, [*body, skip])

    return h, back


def _highway_pairs(
    layer: Highway,
    signal: Signal,
    z: Array | None,
    z_gate: Array | None,
    shift: float,
    shift_gate: float,
    square: Array,
) -> Array | None:
    """E h_a h_b."""
    if signal.cross is None or z is None or z_gate is None:
        return None
    shape, rows = signal.cross.shape, len(signal.cross) * signal.cross.shape[1]
    found = []
    for activation, cross, mean in (
        (layer.activation, z, shift),
        (layer.gate_activation, z_gate, shift_gate),
    ):
        centred = (cross - mean**2).reshape(rows, rows)
        q = np.maximum(np.diag(centred), 0)
        at = gaussian.response(activation, q, mean)
        found.append((at.value.pairs(correlations(centred, q)), at.mean))
    (g, g_mean), (t, t_mean) = found
    x, x_mean = signal.cross.reshape(rows, rows), signal.mean[: shape[0]].ravel()
    shut = 1 - np.add.outer(t_mean, t_mean) + t
    one = (t_mean[:, np.newaxis] - t) * np.multiply.outer(g_mean, x_mean)
    return with_diagonal((t * g + shut * x + one + one.T).reshape(shape), square)
