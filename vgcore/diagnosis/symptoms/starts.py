"""How a network starts, and its shape: weights, the first loss, width and depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.network import Part
from vgcore.diagnosis.symptoms.base import Sign, symptom
from vgcore.initializers import gain

_START = ("start", "batchnorm", "layernorm", "selu", "relu")


def _gain(part: Part) -> float:
    """What the activation asks for; 1 where that is not known."""
    try:
        return gain(part.layer.activation)  # type: ignore[attr-defined]
    except (TypeError, ValueError, AttributeError):
        return 1.0


def _sizes(seen: Evidence, fan_of: Callable[..., float]) -> dict[str, float]:
    """Of each hidden layer the size of its weights at the start: root mean square times sqrt(fan), over its
    activation's gain; the fan is of fan in and its mean with fan out that which ``fan_of`` chooses.
    """
    network = seen.start or seen.network
    if network is None:
        return {}
    sizes: dict[str, float] = {}
    for part in network.hidden:
        if type(part.layer).__name__ == "Embedding":
            continue
        for name, weight in part.weights.items():
            if name in ("weight_hh", "weight_gate"):
                continue
            fan_in = weight.shape[1]
            fan_out = len(weight) * np.prod(part.layer.views[name].shape[2:], initial=1)
            fan = fan_of(fan_in, (fan_in + fan_out) / 2)
            rms = float(np.sqrt(np.mean(np.square(weight, dtype=float))))
            sizes[part.name] = rms * math.sqrt(fan) / min(_gain(part), math.sqrt(2))
    return sizes


@symptom(
    "Weights start too small",
    thresholds={"gain": 0.3},
    source=(
        "He et al. 2015 (arXiv 1502.01852, eq. 10); Glorot and Bengio 2010, eq. 12; the threshold is "
        "ours"
    ),
    looks="`vg.theory.predict(model, x)`: the signal shrinks layer by layer",
    cures=_START,
    weight=0.65,
    needs=("network",),
    usual=1.0,
)
def small_weights(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Root mean square of a hidden layer's weights at the start times sqrt(fan), over what its activation
    asks for (1 for tanh and sigmoid, sqrt(2) for ReLU). The fan is fan in, or its mean with fan out if that
    is larger.
    """
    sizes = _sizes(seen, max)
    if not sizes:
        return
    name = min(sizes, key=lambda each: sizes[each])
    yield Sign(
        Measured(f"start of {name} over what its activation asks for", sizes[name], at["gain"]),
        f"The weights of {name} start at {sizes[name]:.2g} of the size that keeps the signal as it "
        "is: it shrinks there on its way up, and the gradient on its way back.",
        Where(layers=tuple(each for each in sizes if sizes[each] < at["gain"]) or (name,)),
    )


@symptom(
    "Weights start too large",
    thresholds={"gain": 3.0},
    source=(
        "He et al. 2015 (arXiv 1502.01852, eq. 10); Glorot and Bengio 2010, eq. 12; the threshold is "
        "ours"
    ),
    looks="`vg.theory.predict(model, x)`: the signal grows layer by layer; tanh and sigmoid units saturate",
    cures=_START,
    weight=0.7,
    needs=("network",),
    usual=1.0,
)
def large_weights(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The same, with the smaller of the two fans, where it is large."""
    sizes = _sizes(seen, min)
    if not sizes:
        return
    name = max(sizes, key=lambda each: sizes[each])
    yield Sign(
        Measured(
            f"start of {name} over what its activation asks for",
            sizes[name],
            at["gain"],
            above=True,
        ),
        f"The weights of {name} start at {sizes[name]:.3g} times the size that keeps the signal as it is: "
        "units saturate or values grow layer by layer.",
        Where(layers=tuple(each for each in sizes if sizes[each] > at["gain"]) or (name,)),
    )


@symptom(
    "The first loss is far from chance",
    thresholds={"times": 5.0},
    source=(
        "Karpathy 2019 (a recipe for training neural networks: verify loss at init); the threshold is "
        "ours"
    ),
    looks="`flow.loss[0]`: far above the loss of a constant answer",
    cures=("scale_targets", "scale_inputs", "start", "output"),
    weight=0.5,
    where_learning="untold",
    needs=("chance_loss", "flow"),
)
def loss_far_from_chance(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The loss of the first step over that of the best constant answer or, of classes, of equal odds."""
    chance = seen.chance_loss
    if chance is None or not chance > 0 or not len(seen.losses):
        return
    first = float(seen.losses[0])
    yield Sign(
        Measured(
            "first loss over that of the best constant answer",
            first / chance,
            at["times"],
            above=True,
        ),
        f"Training begins at a loss of {first:.3g}; a network that always gave the best constant answer "
        f"would have {chance:.3g}. Outputs start far off, and the first steps go into bringing them back.",
        Where(steps=(0, 0)),
        certainty="possible",
    )


@symptom(
    "A layer is a bottleneck",
    thresholds={"units": 2.5},
    source="nothing that one or two units do not say reaches the layers above; the threshold is ours",
    looks="`model.summary()`: a hidden layer of one or two units between wider ones",
    cures=("wider",),
    weight=0.5,
    where_learning="untold",
    needs=("network",),
)
def bottleneck(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Units of the narrowest hidden layer, where what goes in and what comes out is wider or it is a
    ReLU's.
    """
    if seen.network is None:
        return
    narrow: dict[str, int] = {}
    for part in seen.network.hidden:
        weights = part.weights
        units = getattr(part.layer, "units", None)
        if not weights or units is None:
            continue
        fan_in = next(iter(weights.values())).shape[1]
        if fan_in > units or part.activation == "relu":
            narrow[part.name] = int(units)
    if not narrow:
        return
    name = min(narrow, key=lambda each: narrow[each])
    yield Sign(
        Measured(f"units of {name}", narrow[name], at["units"]),
        f"All that {name} can tell the layers above goes through {narrow[name]} "
        f"unit{'s' if narrow[name] > 1 else ''}; if they die or saturate, everything stops.",
        Where(layers=(name,)),
        certainty="possible",
    )


@symptom(
    "The network is deep, with nothing that carries the gradient",
    thresholds={"layers": 9.5},
    source="He et al. 2016 (arXiv 1512.03385, section 1): plain nets get worse with depth",
    looks="`model.summary()`",
    cures=("skip", "shallower", "batchnorm", "layernorm"),
    weight=0.4,
    where_learning="untold",
    needs=("network",),
    usual=3.0,
)
def too_deep(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Hidden layers with weights in a network without a skip connection or a norm."""
    if seen.network is None:
        return
    kinds = {type(layer).__name__ for layer in seen.network.model.layers}
    kinds |= {part.kind for part in seen.network.parts}
    if kinds & {
        "Residual",
        "Highway",
        "BatchNorm",
        "LayerNorm",
        "RMSNorm",
        "GroupNorm",
        "InstanceNorm",
    }:
        return
    depth = len(seen.network.hidden)
    yield Sign(
        Measured("hidden layers without skip or norm", depth, at["layers"], above=True),
        f"{depth} layers lie one on the other with nothing that holds up signal and gradient: each "
        "takes its share.",
        certainty="possible",
    )


@symptom(
    "The hidden layers are linear",
    thresholds={"layers": 0.5},
    source="a product of linear maps is one linear map",
    looks="`model.summary()`: no activations",
    cures=("relu", "tanh"),
    weight=0.55,
    needs=("network",),
)
def linear_network(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Hidden layers without an activation where no layer has one."""
    if seen.network is None:
        return
    hidden = [part for part in seen.network.hidden if part.kind != "Embedding"]
    bent = any(part.activation != "identity" for part in seen.network.parts if part.hidden)
    if bent or not hidden:
        return
    yield Sign(
        Measured(
            "hidden layers, none of them with an activation", len(hidden), at["layers"], above=True
        ),
        "No hidden layer has an activation, so that all of them together are one linear map: depth adds "
        "nothing to what it can learn.",
        Where(layers=tuple(part.name for part in hidden)),
    )
