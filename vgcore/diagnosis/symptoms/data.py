"""What is fed in: scales, constants, classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.symptoms.base import Sign, symptom

_ROUNDING = 1e-6  # of a feature, by which it varies where it is constant
_TINY = 0.01  # largest standard deviation of an input below which all are


@symptom(
    "Inputs are out of scale",
    thresholds={"size": 8.0},
    source=(
        "LeCun et al. 1998 (Efficient BackProp, section 4.3); UMLAUT (Schoop et al. 2021) asks for "
        "[-1, 1]"
    ),
    looks="`x.mean(axis=0)`, `x.std(axis=0)`",
    cures=("scale_inputs", "batchnorm"),
    weight=0.65,
    needs=("samples",),
    usual=1.0,
)
def inputs_out_of_scale(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Root mean square of the largest input feature; standardised ones have 1."""
    if seen.samples is None or not seen.samples.inputs.size or _scales_itself(seen):
        return
    sizes = np.sqrt((seen.samples.inputs**2).mean(axis=0))
    place = int(sizes.argmax())
    size = float(sizes[place])
    yield Sign(
        Measured(f"size of input {place}", size, at["size"], above=True),
        f"Inputs are as large as {size:.3g} (root mean square of feature {place}), where a start of "
        "the weights expects about 1: the first layer's outputs, and its gradient, are too large by "
        "as much.",
        Where(inputs=tuple(map(int, np.flatnonzero(sizes > at["size"])[:20]))),
    )


def _scales_itself(seen: Evidence) -> bool:
    """Whether a network begins with a norm."""
    return seen.network is not None and seen.network.parts[0].kind.endswith("Norm")


@symptom(
    "Inputs are tiny, or differ in scale",
    thresholds={"ratio": 100.0},
    source="LeCun et al. 1998 (Efficient BackProp, section 4.3); the threshold is ours",
    looks="`x.std(axis=0)`",
    cures=("scale_inputs", "batchnorm"),
    weight=0.55,
    needs=("samples",),
    usual=1.5,
)
def inputs_of_unequal_scale(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """The largest standard deviation of an input feature over a small one: the first quartile of those that
    vary. Where all are below 0.01, what 1 is of the largest.
    """
    if seen.samples is None or not seen.samples.inputs.size or seen.samples.x.ndim > 3:
        return
    if _scales_itself(seen):
        return
    spread = seen.samples.inputs.std(axis=0)
    spread = spread[spread > _ROUNDING * np.abs(seen.samples.inputs).max(axis=0)]
    if not len(spread):
        return
    # A pixel at the edge of images that is nearly always 0 is no feature in a scale of its own
    low = float(np.quantile(spread, 0.25))
    widest = float(spread.max())
    if widest < _TINY:
        yield Sign(
            Measured("1 over the largest spread of an input", 1 / widest, at["ratio"], above=True),
            f"No input spreads by more than {widest:.2g}, where 1 is usual: all samples look alike to the "
            "network until it has learned weights that make up for it.",
        )
        return
    ratio = float(widest / low)
    yield Sign(
        Measured("largest spread of an input over a small one", ratio, at["ratio"], above=True),
        f"One input spreads {ratio:.3g} times as wide as another: the network hears the loud ones "
        "alone until it has learned weights that make up for it.",
    )


@symptom(
    "Most inputs are constant",
    thresholds={"share": 0.75},
    source="what does not vary tells nothing",
    looks="`x.std(axis=0) == 0`",
    weight=0.6,
    needs=("samples",),
)
def constant_inputs(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Share of input features that have one value for all samples."""
    if seen.samples is None:
        return
    x = seen.samples.x
    rows = x.reshape(len(x), -1)
    if len(rows) < 4:
        return
    constant = (rows == rows[0]).all(axis=0)
    share = float(constant.mean())
    yield Sign(
        Measured("share of inputs that are constant", share, at["share"], above=True),
        "All samples are the same: nothing tells them apart."
        if share == 1
        else f"{share:.0%} of the inputs have one value for all samples, and tell nothing.",
        Where(inputs=tuple(map(int, np.flatnonzero(constant)[:20]))),
        certainty="certain" if share == 1 else "likely",
    )


@symptom(
    "Targets are out of scale",
    thresholds={"size": 10.0},
    source="Efficient BackProp, section 4.3, for outputs; the threshold is ours",
    looks="`y.mean(axis=0)`, `y.std(axis=0)`",
    cures=("scale_targets", "faster", "adam"),
    weight=0.6,
    needs=("samples",),
    usual=1.0,
)
def targets_out_of_scale(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Size of targets that are numbers (root mean square of the largest column), or what 1 is of it where it
    is small.
    """
    if seen.samples is None or seen.samples.kind != "numbers" or seen.samples.classes is not None:
        return
    sizes = np.sqrt((seen.samples.outputs**2).mean(axis=0))
    far = float(sizes.max(initial=0.0))
    if not far > 0:
        return
    yield Sign(
        Measured("size of the targets, or 1 over it", max(far, 1 / far), at["size"], above=True),
        f"Targets are as {'large' if far > 1 else 'small'} as {far:.3g} (root mean square), where "
        "outputs start at about 1: "
        + ("the first steps only bring the outputs up there." if far > 1 else "noise drowns them."),
    )


@symptom(
    "Classes are unbalanced",
    thresholds={"odds": 9},
    source="He and Garcia 2009 (Learning from imbalanced data); the threshold is ours",
    looks="`np.bincount(y)`; a confusion matrix with one column",
    cures=("balance",),
    weight=0.45,
    needs=("samples",),
)
def unbalanced_classes(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Of several classes: odds of the most frequent one, over those that it would have if all were equally
    frequent.
    """
    if seen.samples is None or seen.samples.classes is None:
        return
    counts = np.bincount(np.maximum(seen.samples.classes, 0))
    classes = int(np.count_nonzero(counts))
    if classes < 2:
        return
    share = float(counts.max() / counts.sum())
    odds = share / (1 - share) * (classes - 1)
    lost = seen.outcome is not None and seen.outcome.score < seen.outcome.chance + 0.1
    yield Sign(
        Measured("odds of the most frequent class, over equal ones", odds, at["odds"], above=True),
        f"{share:.0%} of the samples are of class {int(counts.argmax())}: always answering that is "
        "nearly always right, and a network learns to.",
        Where(outputs=(int(counts.argmax()),)),
        certainty="certain" if lost else "likely",
    )


@symptom(
    "All targets are the same",
    thresholds={"share": 0.999},
    source="what does not vary asks for nothing but one answer",
    looks="`np.unique(y)`",
    weight=0.96,
    where_learning="ill",
    needs=("samples",),
)
def constant_targets(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Share of the columns of targets that have one value for all samples; of labels 1 where there is one
    class.
    """
    if seen.samples is None or seen.samples.own or len(seen.samples.x) < 4:
        return
    y = seen.samples.wanted
    if seen.samples.sparse:
        y = y[y >= 0]
    rows = y.reshape(len(y), -1)
    share = float((rows == rows[:1]).all(axis=0).mean())
    yield Sign(
        Measured("share of targets that are constant", share, at["share"], above=True),
        "All samples have the same target: there is nothing to tell apart, and one constant answer is right.",
        certainty="certain",
        harmful=True,
    )


@symptom(
    "Labels do not begin with 0",
    thresholds={"missing": 0.5},
    source="labels of c classes are 0 to c - 1, as in PyTorch and Keras",
    looks="`np.unique(y)`",
    cures=("labels",),
    ill=False,
    weight=0.4,
    needs=("samples", "network"),
)
def labels_off_by_one(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """How many labels below the smallest one never occur, where the largest output is a class's all the
    same.
    """
    if seen.samples is None or seen.network is None or seen.samples.kind != "labels":
        return
    classes = seen.samples.classes
    if classes is None or not len(classes):
        return
    least = int(classes.min())
    shifted = least > 0 and len(np.unique(classes)) == seen.network.outputs - least
    yield Sign(
        Measured("labels below the smallest", least if shifted else 0, at["missing"], above=True),
        f"Labels begin with {least}, so that the output of class "
        f"{'0' if least == 1 else f'0 to {least - 1}'} is "
        "never right.",
    )
