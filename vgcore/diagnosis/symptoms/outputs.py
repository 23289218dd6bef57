"""The last layer and the loss, beside the targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from vgcore.diagnosis import targets
from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.symptoms.base import Sign, symptom

RANGES = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "softmin": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, np.inf),
}
"""What activations can put out."""

_DISTANCES = ("mse", "mae", "huber", "log_cosh")
_SLACK = 0.02  # of the range, that targets may lie beyond it


@symptom(
    "Targets lie where no output can reach",
    thresholds={"share": 0.02},
    source="the range of the output's activation",
    looks="`y.min()`, `y.max()` beside `model.predict(x)`",
    cures=("output", "scale_targets"),
    where_learning="ill",
    weight=0.97,
    needs=("samples", "network"),
)
def targets_out_of_range(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Share of the targets, where they are numbers, outside the range of the output's activation."""
    if seen.samples is None or seen.network is None or seen.network.loss.fused:
        return
    low, high = RANGES.get(seen.network.output_activation, (-np.inf, np.inf))
    if seen.network.loss.name in ("poisson", "hinge", "squared_hinge") or seen.samples.own:
        return
    y = seen.samples.outputs
    if (
        seen.samples.sparse
        or not np.isfinite([low, high]).any()
        or y.shape[1] != seen.network.outputs
    ):
        return
    slack = _SLACK * (high - low if np.isfinite(high - low) else 1)
    share = float(((y < low - slack) | (y > high + slack)).mean())
    yield Sign(
        Measured("share of targets that no output reaches", share, at["share"], above=True),
        f"The output layer's {seen.network.output_activation} gives numbers from {low:g} to {high:g}; "
        f"{share:.0%} of the targets lie outside ({y.min():.3g} to {y.max():.3g}). No training "
        "reaches them.",
        certainty="likely" if seen.network.loss.function is not None else "certain",
    )


@symptom(
    "The output's activation does not suit the targets",
    thresholds={"misfit": 0.5},
    source="Goodfellow, Bengio and Courville 2016, section 6.2.2 (output units); Bishop 1995, chapter 6",
    looks="`model.layers[-1].activation` beside the targets",
    cures=("output", "loss"),
    weight=0.8,
    needs=("samples", "network"),
)
def output_activation(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """1 for a softmax over one unit (nothing is learned) or over numbers or several labels, whose rows
    do not add up to 1; for a ReLU at the output, whose gradient dies; for a sigmoid or tanh on classes
    of which one is right; else 0.
    """
    if seen.samples is None or seen.network is None:
        return
    made, units, kind = seen.network.output_activation, seen.network.outputs, seen.samples.kind
    said, certainty, harmful = "", "likely", False
    if made in ("softmax", "softmin") and units == 1:
        said = "A softmax of one unit is always 1: it has no gradient, and nothing is learned."
        certainty, harmful = "certain", True
    elif made in ("softmax", "softmin") and kind in ("numbers", "multilabel", "binary"):
        harmful = True
        what = "several labels, each right or not" if kind == "multilabel" else "numbers"
        said = (
            f"Targets are {what}; a softmax gives shares that add up to 1, so that one output rises "
            "only where others fall."
        )
    elif made in ("relu", "relu6"):
        harmful = kind != "numbers" and seen.network.loss.name not in _DISTANCES
        said = (
            "The output is a ReLU: where it is 0 there is no gradient, and it says nothing below 0."
        )
    elif made in ("sigmoid", "hard_sigmoid", "tanh") and kind == "one_hot" and units > 1:
        said = (
            f"One class is right for each sample, and each output is a {made} of its own: they do not "
            "know of each other, as those of a softmax do."
        )
    elif made == "identity" and not seen.network.loss.fused and kind in ("one_hot", "binary"):
        said = (
            "Targets are classes, and outputs any numbers: nothing says that they are shares of 1."
        )
    yield Sign(
        Measured("misfit of output and targets", float(bool(said)), at["misfit"], above=True),
        said,
        Where(layers=(seen.network.parts[-1].name,)),
        certainty=certainty,  # type: ignore[arg-type]
        harmful=harmful,
    )


@symptom(
    "The loss is not one of classes",
    thresholds={"misfit": 0.5},
    source=(
        "Glorot and Bengio 2010, section 4.1; Golik, Doetsch and Ney 2013 (cross-entropy and squared "
        "error)"
    ),
    looks="`model.loss` beside the targets",
    cures=("loss",),
    weight=0.6,
    needs=("samples", "network"),
)
def loss_of_classes(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """1 where targets are classes and the loss is a distance between numbers, or where it is binary and
    one of several classes is right; else 0.
    """
    if seen.samples is None or seen.network is None:
        return
    name, kind = seen.network.loss.name, seen.samples.kind
    y = seen.samples.y
    said = ""
    if name in _DISTANCES and kind in ("one_hot", "binary", "multilabel"):
        said = (
            f"Targets are classes and the loss is {name}: where an output is sure and wrong, its "
            "slope is nearly 0, so that the worst mistakes are mended last."
        )
    elif name in _DISTANCES and targets.as_labels(y) is not None:
        said = (
            f"Targets look like labels ({len(np.unique(y))} whole numbers), and {name} takes them for "
            "numbers: class 3 would be nearer to class 2 than to class 0."
        )
    elif name in ("binary_crossentropy", "multilabel_crossentropy") and kind == "one_hot":
        said = "One of several classes is right; the loss judges each output by itself, as if many could be."
    yield Sign(
        Measured("misfit of loss and targets", float(bool(said)), at["misfit"], above=True),
        said,
        certainty="possible" if kind in ("binary", "multilabel") else "likely",
    )


@symptom(
    "A softmax stands inside the network",
    thresholds={"units": 0.5},
    source="Braiek and Khomh 2023 (TheDeepChecker): softmax as a hidden activation",
    looks="`model.summary()`",
    cures=("relu", "tanh"),
    weight=0.7,
    needs=("network",),
)
def hidden_softmax(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Hidden layers whose activation is a softmax, or one unit's."""
    if seen.network is None:
        return
    names = [
        p.name for p in seen.network.parts if p.hidden and p.activation in ("softmax", "softmin")
    ]
    yield Sign(
        Measured("hidden layers with a softmax", len(names), at["units"], above=True),
        f"{', '.join(names)} {'put' if len(names) > 1 else 'puts'} a softmax in front of other layers: "
        "outputs add up to 1, so that each is small, and so is their gradient.",
        Where(layers=tuple(names)),
    )
