"""Units that say nothing: dead, saturated, all alike; samples that all look alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.evidence import Evidence, middle
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.symptoms.base import Sign, symptom

_MOST_LISTED = 5


def _rows(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Samples, with all timesteps or places of a channel, as rows of units; padding left out."""
    if values.ndim == 4:
        values = np.moveaxis(values, 1, -1)
    rows = values.reshape(-1, values.shape[-1]).astype(float)
    known: NDArray[np.float64] = rows[np.isfinite(rows).all(axis=1)]
    return known


def _listed(names: list[str]) -> str:
    """Names in a sentence, no more than a few."""
    if len(names) > _MOST_LISTED:
        return f"{', '.join(names[:_MOST_LISTED])} and {len(names) - _MOST_LISTED} more layers"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _since(seen: Evidence, name: str, share: float) -> str:
    """Since when a layer is as dead as that, in words; empty where it is not known."""
    if seen.flow is None or not len(seen.flow) or name not in seen.layers:
        return ""
    dead = np.asarray(seen.flow.dead)[:, seen.column(name)] >= share
    if not dead[-1]:
        return ""
    alive = np.flatnonzero(~dead)
    if not len(alive):
        return ", from the start"
    return f", since step {int(seen.flow.step[alive[-1] + 1])}"


@symptom(
    "A whole layer is dead",
    thresholds={"share": 0.999},
    source="no gradient passes where every slope is 0",
    looks="`flow.plot('dead')`: a line at 1; delta of all layers below is 0",
    cures=("leaky_relu", "elu", "slower", "start", "scale_inputs", "batchnorm", "output"),
    where_learning="ill",
    weight=0.95,
    needs=("last",),
)
def dead_layer(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Share of a layer's units whose slope is 0 for every sample. Beside a skip connection the layer is
    lost, but not the gradient.
    """
    flow = seen.last
    if flow is None:
        return
    dead, delta = middle(flow, "dead"), middle(flow, "delta")
    if not np.isfinite(dead).any():
        return
    worst = float(np.nanmax(dead))
    names = [seen.layers[place] for place in np.flatnonzero(dead >= at["share"])]
    name = names[-1] if names else seen.layers[int(np.nanargmax(dead))]
    below = delta[: seen.column(name)]
    blocked = not len(below) or bool(np.nanmax(below, initial=0.0) == 0)
    consequence = (
        "No gradient reaches it or any layer below: they will never learn again."
        if blocked
        else "It adds nothing any more, and will never learn again."
    )
    some = len(names) > 1
    yield Sign(
        Measured(f"share of dead units in {name}", worst, at["share"], above=True),
        f"Every unit of {_listed(names or [name])} gives the same for every sample, on the flat side "
        f"of its activation{'' if some else _since(seen, name, at['share'])}. {consequence}",
        Where(layers=tuple(names or [name])),
        certainty="certain" if blocked else "likely",
    )


@symptom(
    "Units are dead",
    thresholds={"share": 0.5},
    source="Lu et al. 2019 (arXiv 1903.06733); the threshold is ours",
    looks="`flow.plot('dead')`; `vg.plot.heatmap(flow, 'unit_dead')`",
    cures=("leaky_relu", "elu", "slower", "start", "scale_inputs", "batchnorm"),
    weight=0.6,
    needs=("last",),
)
def dead_units(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The largest share of a hidden layer's units whose slope is 0 for every sample."""
    flow = seen.last
    if flow is None:
        return
    dead = middle(flow, "dead")
    for place, name in enumerate(seen.layers):
        if seen.network is not None and _bounded(seen, name):
            dead[place] = np.nan
    dead[-1] = np.nan  # of an output it is no unit that is lost
    dead[dead >= 0.999] = np.nan  # see `dead_layer`
    if not np.isfinite(dead).any():
        return
    place = int(np.nanargmax(dead))
    name, share = seen.layers[place], float(dead[place])
    every = "every sample" if seen.look is not None else "every sample of a minibatch"
    units: tuple[int, ...] = ()
    if seen.look is not None and "units" in dir(seen.look):
        units = tuple(map(int, np.flatnonzero(seen.look.unit_dead[name][-1] >= 1)))
    yield Sign(
        Measured(f"share of dead units in {name}", share, at["share"], above=True),
        f"{share:.0%} of the units of {name} give 0 for {every}{_since(seen, name, at['share'])}: no "
        "gradient reaches their weights, and what they could say is lost.",
        Where(layers=(name,), units={name: units} if units else {}),
    )


@symptom(
    "Units are saturated",
    thresholds={"share": 0.8},
    source="Glorot and Bengio 2010, section 3; the threshold is ours",
    looks="`flow.plot('saturated')`; `vg.plot.saturation(flow)`",
    cures=("scale_inputs", "start", "batchnorm", "layernorm", "relu", "slower"),
    weight=0.6,
    needs=("last",),
)
def saturated_units(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The largest share of a hidden layer's outputs on the flat parts of an activation that is not a
    ReLU: its slope is below 5 % of its steepest.
    """
    flow = seen.last
    if flow is None:
        return
    saturated, dead = middle(flow, "saturated"), middle(flow, "dead")
    last = len(saturated) - 1
    for place, name in enumerate(seen.layers):
        # ReLUs are flat on one side: see `dead_units`; of an output that is sure of itself it is no fault
        flat = dead[place] > 0 if seen.network is None else not _bounded(seen, name)
        if flat or place == last:
            saturated[place] = np.nan
    if not np.isfinite(saturated).any():
        return
    place = int(np.nanargmax(saturated))
    name, share = seen.layers[place], float(saturated[place])
    yield Sign(
        Measured(f"share of saturated outputs of {name}", share, at["share"], above=True),
        f"{share:.0%} of the outputs of {name} lie on the flat parts of the activation: hardly any "
        "gradient passes.",
        Where(layers=(name,)),
    )


def _bounded(seen: Evidence, name: str) -> bool:
    """Whether a layer of a known network has an activation that levels off on both sides."""
    part = None if seen.network is None else seen.network.by_name.get(name)
    return part is not None and part.activation in ("sigmoid", "tanh", "hard_sigmoid", "softsign")


@symptom(
    "After some depth all samples look alike",
    thresholds={"spread": 1e-2},
    source=(
        "Poole et al. 2016 (arXiv 1606.05340); Schoenholz et al. 2017 (arXiv 1611.01232); the "
        "threshold is ours"
    ),
    looks="`vg.plot.activation(model.internals(x))`: each unit gives one value",
    cures=("relu", "selu", "batchnorm", "layernorm", "start", "skip", "shallower"),
    weight=0.7,
    needs=("inside", "network"),
    usual=0.5,
)
def collapsed_activations(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """How much a unit's output differs from sample to sample, over its size: root mean squares over all
    units of a hidden layer.
    """
    if seen.inside is None or seen.network is None or len(seen.inside.output) < 4:
        return
    spread: dict[str, float] = {}
    for part in seen.network.hidden:
        if part.name not in seen.inside:
            continue
        rows = _rows(seen.inside[part.name].h)
        size = np.sqrt((rows**2).mean()) if len(rows) else 0.0
        if size > 0:
            spread[part.name] = float(np.sqrt(rows.var(axis=0).mean()) / size)
    if not spread:
        return
    name = min(spread, key=lambda each: spread[each])
    yield Sign(
        Measured(f"spread over samples of {name}'s outputs", spread[name], at["spread"]),
        f"Whatever the sample, {name} gives nearly the same: outputs differ by {spread[name]:.1g} of "
        "their size. What tells samples apart is lost on the way up.",
        Where(layers=(name,)),
    )


@symptom(
    "Units of a layer are alike",
    thresholds={"difference": 1e-6},
    source="Goodfellow, Bengio and Courville 2016, section 8.4: symmetry must be broken",
    looks="`model.layers[0].weight`: all rows are the same",
    cures=("start",),
    where_learning="ill",
    weight=0.95,
    needs=("network",),
)
def symmetric_units(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """How much units of a hidden layer differ from each other in their weights, over the size of these: those
    that come in, those that recur, and those that lead on to the next layer, the largest of them.
    """
    if seen.network is None:
        return
    different: dict[str, float] = {}
    for part, above in pairwise(seen.network.weighted):
        rows = [weight for weight in part.weights.values() if len(weight) > 1]
        leading = [weight.T for weight in above.weights.values()]
        rows += [weight for weight in leading if rows and len(weight) == len(rows[0])]
        if rows and all(np.isfinite(weight).all() for weight in rows):
            different[part.name] = max(map(_unlike, rows))
    if not different:
        return
    names = [name for name, value in different.items() if value < at["difference"]]
    name = names[0] if names else min(different, key=lambda each: different[each])
    yield Sign(
        Measured(f"difference between units of {name}", different[name], at["difference"]),
        f"All units of {_listed(names or [name])} have the same weights, in and out. They get the same "
        "gradient and stay alike: the layer is no more than one unit.",
        Where(layers=tuple(names or [name])),
        certainty="certain",
    )


def _unlike(rows: NDArray[np.floating]) -> float:
    """How much rows differ from each other, over their size; 0 of zeros."""
    size = float(np.sqrt((rows**2).mean()))
    return float(np.sqrt(rows.var(axis=0).mean())) / size if size > 0 else 0.0
