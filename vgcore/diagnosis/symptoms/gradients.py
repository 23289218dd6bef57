"""Gradients that vanish, explode, or differ from layer to layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from vgcore.diagnosis.evidence import Evidence, Moment, middle
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.symptoms.base import Sign, symptom

_ACTIVATIONS = ("relu", "selu", "batchnorm", "layernorm", "skip", "start", "shallower")

_WHEN = {"start": "At the start", "now": "Now"}


def _ends(seen: Evidence) -> Iterator[tuple[Moment, str, str, float]]:
    """At each moment: first and last layer with weights, and dL/dz of the first over that of the last.

    Norms are taken of one unit, so that wide layers and narrow ones can be compared.
    """
    for when, flow in seen.moments:
        delta = middle(flow, "delta")
        weighted = np.flatnonzero(~np.isnan(middle(flow, "weight_norm")) & ~np.isnan(delta))
        if len(weighted) < 2:
            continue
        low, high = (seen.layers[place] for place in weighted[[0, -1]])
        below = delta[weighted[0]] / np.sqrt(seen.width(low))
        above = delta[weighted[-1]] / np.sqrt(seen.width(high))
        if below > 0 and above > 0 and np.isfinite([above, below]).all():
            yield when, low, high, float(below / above)


@symptom(
    "The gradient vanishes on its way back",
    thresholds={"ratio": 1e-3},
    source="Zhang et al. 2021 (AutoTrainer, ICSE; its default beta 1, of weight gradients)",
    looks="`flow.plot()`: delta falls layer by layer from the output to the input, on a line in log scale",
    cures=_ACTIVATIONS,
    weight=0.75,
    needs=("last",),
    usual=1.0,
)
def vanishing_gradient(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """dL/dz of the first layer with weights over that of the last: norms over all samples, timesteps and
    places, root mean squares over units or channels. At the start of training, and now.
    """
    found = list(_ends(seen))
    if not found:
        return
    when, low, high, ratio = min(found, key=lambda each: each[3])
    yield Sign(
        Measured(f"gradient of {low} over that of {high}", ratio, at["ratio"]),
        f"{_WHEN[when]} {low} gets {ratio:.1g} of the gradient that {high} gets: it hardly learns, "
        "whatever the layers above make of it.",
        Where(layers=(low, high), moment=when),
    )


@symptom(
    "The gradient explodes on its way back",
    thresholds={"ratio": 70},
    source="Zhang et al. 2021 (AutoTrainer, ICSE; its default beta 3, of weight gradients)",
    looks="`flow.plot()`: delta grows layer by layer from the output to the input",
    cures=("start", "layernorm", "batchnorm", "clip", "slower", "skip"),
    weight=0.75,
    needs=("last",),
    usual=1.0,
)
def exploding_gradient(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The same ratio, where it is large."""
    found = list(_ends(seen))
    if not found:
        return
    when, low, high, ratio = max(found, key=lambda each: each[3])
    yield Sign(
        Measured(f"gradient of {low} over that of {high}", ratio, at["ratio"], above=True),
        f"{_WHEN[when]} the gradient of {low} is {ratio:.3g} times that of {high}: it grows on its "
        "way back, and a step that suits one layer is far too long for another.",
        Where(layers=(low, high), moment=when),
    )


def _over_time(seen: Evidence) -> Iterator[tuple[Moment, str, int, float]]:
    """Of each walk whose loss comes in at its end alone: dL/dh at its far end over that at the loss."""
    for when, flow in seen.moments:
        for walk, rows in flow.time.items():
            direct = np.asarray(flow.time_direct[walk])
            backwards = walk.endswith(".backward")
            walked = ~np.isnan(rows).all(axis=0)
            row = np.nanmedian(np.asarray(rows)[:, walked], axis=0)
            fed = (np.nan_to_num(direct) > 0).mean(axis=0)[: len(row)] > 0.5
            if backwards:
                row, fed = row[::-1], fed[::-1]
            if len(row) < 5 or fed[:-1].any() or not np.isfinite(row).all() or row[-1] <= 0:
                continue
            yield when, walk, len(row), float(row[0] / row[-1])


@symptom(
    "The gradient vanishes on its way back through time",
    thresholds={"ratio": 1e-4},
    source="Hochreiter 1991; Bengio, Simard and Frasconi 1994; the threshold is ours",
    looks="`flow.plot_time()`: dL/dh falls from the last timestep to the first",
    cures=("lstm", "gru", "orthogonal", "forget_bias", "layernorm"),
    weight=0.7,
    needs=("last",),
    usual=1.0,
)
def vanishing_through_time(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """dL/dh of the first timestep over that of the last, where the loss is of the last alone."""
    found = list(_over_time(seen))
    if not found:
        return
    when, walk, times, ratio = min(found, key=lambda each: each[3])
    yield Sign(
        Measured(f"gradient of {walk} {times - 1} timesteps before the loss", ratio, at["ratio"]),
        f"{_WHEN[when]} the gradient that reaches the far end of {walk}, {times - 1} timesteps from "
        f"the loss, is {ratio:.1g} of what the loss gives: what is said early in a sequence cannot be "
        "learned.",
        Where(layers=(walk,), timesteps=(0, times - 1), moment=when),
    )


@symptom(
    "The gradient explodes on its way back through time",
    thresholds={"ratio": 1e2},
    source="Pascanu, Mikolov and Bengio 2013 (arXiv 1211.5063, section 2); the threshold is ours",
    looks="`flow.plot_time()`: dL/dh grows from the last timestep to the first; single steps leap",
    cures=("clip", "orthogonal", "gru", "lstm", "slower"),
    weight=0.75,
    needs=("last",),
    usual=1.0,
)
def exploding_through_time(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The same ratio, where it is large."""
    found = list(_over_time(seen))
    if not found:
        return
    when, walk, times, ratio = max(found, key=lambda each: each[3])
    yield Sign(
        Measured(
            f"gradient of {walk} {times - 1} timesteps before the loss",
            ratio,
            at["ratio"],
            above=True,
        ),
        f"{_WHEN[when]} the gradient of {walk} is {ratio:.3g} times as large {times - 1} timesteps "
        "before the loss as at it: one step throws the weights far off.",
        Where(layers=(walk,), timesteps=(0, times - 1), moment=when),
    )


@symptom(
    "Layers learn at wildly different speeds",
    thresholds={"ratio": 1e3},
    source="Nielsen 2015, chapter 5 (speeds of learning); the threshold is ours",
    looks="`flow.plot('update_ratio')`: lines that lie orders of magnitude apart",
    cures=("adam", "start", "layernorm", "relu"),
    weight=0.55,
    needs=("flow",),
    usual=3.0,
)
def unequal_layers(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The largest update of a layer's weights, over their norm, over the smallest, in the first steps."""
    if seen.first is None:
        return
    speed = middle(seen.first, "update_ratio")
    weight = middle(seen.first, "weight_norm")
    places = np.flatnonzero(np.isfinite(speed) & (speed > 0) & (weight > 0))
    if len(places) < 2:
        return
    fast, slow = (seen.layers[places[pick(speed[places])]] for pick in (np.argmax, np.argmin))
    ratio = float(speed[places].max() / speed[places].min())
    yield Sign(
        Measured(f"speed of {fast} over that of {slow}", ratio, at["ratio"], above=True),
        f"Each step changes {fast} by {ratio:.3g} times as large a part of its weights as {slow}: no "
        "learning rate suits both.",
        Where(layers=(fast, slow)),
    )
