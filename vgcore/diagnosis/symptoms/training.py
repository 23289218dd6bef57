"""What training comes to: numbers that are not finite, too much regularisation, and what is no illness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.evidence import BY_HEART, FALLS, LEARNED, Evidence
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.symptoms.base import Sign, symptom
from vgcore.flow import GradientFlow


@symptom(
    "Numbers are not finite",
    thresholds={"steps": 0.5},
    source="IEEE 754: what exceeds the largest number is infinite, and infinity minus itself is NaN",
    looks="`flow.loss`: nan; pictures mark the step",
    cures=("clip", "slower", "start", "scale_inputs", "scale_targets", "output"),
    where_learning="ill",
    weight=0.9,
    needs=("last",),
)
def not_finite(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Recorded steps whose loss, or the gradient of a layer, is NaN or infinite."""
    record = seen.look if seen.look is not None and _is_broken(seen.look) else seen.flow
    if record is None or not len(record):
        return
    bad = _lost(record) if seen.network is None else _not_finite(record)
    count = int(bad.sum()) or int(bool(seen.broken))
    first = int(np.argmax(bad)) if bad.any() else len(record) - 1
    before = _before(seen, record, first)
    where = (
        seen.broken
        or f"Step {int(record.step[first])} is the first whose loss or gradient is not finite"
    )
    yield Sign(
        Measured("steps that are not finite", count, at["steps"], above=True),
        f"{where[0].upper()}{where[1:]}.{before}",
        Where(steps=(int(record.step[first]), int(record.step[first]))),
        certainty="certain" if count else "likely",
    )


def _not_finite(record: GradientFlow) -> NDArray[np.bool_]:
    """Steps at which the loss or a layer's gradient is not finite; of layers that have any."""
    delta = np.asarray(record.delta)
    named = ~np.isnan(delta).all(axis=0)
    found: NDArray[np.bool_] = ~np.isfinite(record.loss)
    found |= ~np.isfinite(delta[:, named]).all(axis=1)
    return found


def _lost(record: GradientFlow) -> NDArray[np.bool_]:
    """The same of a record alone, where NaN also stands for what there was not: no loss, or no gradient.

    NaN is lost numbers in a loss without a gradient, and in the gradient of a step whose loss, or the next
    one, is.
    """
    loss, delta = np.asarray(record.loss), np.asarray(record.delta)
    untold = np.isnan(loss) & np.isfinite(delta).any(axis=1)
    lost = ~np.isfinite(loss) & ~untold
    beside = lost | np.append(lost[1:], False)
    found: NDArray[np.bool_] = lost | (beside & np.isnan(delta).any(axis=1))
    found |= np.isinf(delta).any(axis=1)
    return found


def _is_broken(look: GradientFlow) -> bool:
    """Whether the loss of one look is not finite."""
    return not np.isfinite(look.loss).all()


def _before(seen: Evidence, record: GradientFlow, first: int) -> str:
    """What was large just before, in a sentence."""
    if first < 1:
        return ""
    delta = np.asarray(record.delta)[first - 1]
    usual = np.nanmedian(np.asarray(record.delta)[:first], axis=0)
    grown = np.divide(delta, usual, out=np.full_like(delta, np.nan), where=usual > 0)
    if not np.isfinite(grown).any():
        return ""
    place = int(np.nanargmax(grown))
    if not grown[place] > 3:
        return ""
    return (
        f" One step before, the gradient of {seen.layers[place]} was {grown[place]:.3g} times its usual "
        "size."
    )


@symptom(
    "Dropout drops too much",
    thresholds={"dropped": 0.7},
    source=(
        "Srivastava et al. 2014, section 7.3: 0.5 in hidden layers, 0.2 of inputs; the threshold is "
        "ours"
    ),
    looks="`model.summary()`; a training loss that stays far above that of `evaluate`",
    cures=("less_dropout",),
    weight=0.6,
    where_learning="untold",
    needs=("network",),
)
def too_much_dropout(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Share of what is told that all dropouts together drop on the way to the output, a layer's own
    units taken as many enough that a half may go: 1 - the product of (1 - rate) over dropouts beyond the
    first of 0.5.
    """
    if seen.network is None:
        return
    rates = sorted((float(part.layer.rate) for part in seen.network.dropouts), reverse=True)  # type: ignore[attr-defined]
    rates += [
        float(rate)
        for part in seen.network.parts
        if (rate := getattr(part.layer, "recurrent_dropout", 0.0))
    ]
    if not rates:
        return
    dropped = max(
        max(rates), 1 - float(np.prod([1 - rate for rate in rates])) - 0.1 * (len(rates) - 1)
    )
    names = tuple(part.name for part in seen.network.dropouts)
    left = float(np.prod([1 - rate for rate in rates]))
    yield Sign(
        Measured("share that dropout drops", dropped, at["dropped"], above=True),
        f"Dropouts of {', '.join(f'{rate:g}' for rate in rates)} leave {left:.0%} of what the "
        "layers say: noise is louder than the signal.",
        Where(layers=names),
    )


@symptom(
    "Minibatches are too small for their statistics",
    thresholds={"rows": 7.5},
    source="Ioffe 2017 (arXiv 1702.03275); Wu and He 2018 (arXiv 1803.08494, figure 1)",
    looks="a validation loss that leaps while the training loss falls",
    cures=("larger_batch", "layernorm"),
    weight=0.55,
    needs=("network", "batch_size"),
)
def small_batch_norm(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Rows of a minibatch, where a BatchNorm takes statistics of it."""
    if seen.network is None or seen.batch_size is None:
        return
    norms = tuple(part.name for part in seen.network.parts if part.kind == "BatchNorm")
    if not norms:
        return
    yield Sign(
        Measured("rows of a minibatch", seen.batch_size, at["rows"]),
        f"{norms[0]} takes means and variances of {seen.batch_size} samples: they are mostly noise, "
        "and prediction, which uses running ones, sees another network.",
        Where(layers=norms),
    )


@symptom(
    "It learns less than a plain network",
    thresholds={"learned": LEARNED},
    source="a network of two layers of 64 ReLUs (of sequences a GRU), trained for as many steps",
    looks="`diagnosis.outcome`",
    needs=("outcome",),
    cures=("range_test", "relu", "batchnorm", "adam", "wider"),
    ill=False,
    weight=0.4,
)
def learns_little(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """What the network has learned beyond chance, over what a plain network has."""
    outcome = seen.outcome
    if outcome is None or np.isnan(outcome.learned):
        return
    yield Sign(
        Measured("part of what a plain network learns", outcome.learned, at["learned"]),
        f"It reaches {outcome.score:.2f} {outcome.measure}; a plain network, trained for as many steps, "
        f"reaches {outcome.reference:.2f}.",
        certainty="possible",
    )


@symptom(
    "There is nothing to learn, or too little to learn it from",
    thresholds={"times": 1.0, "steps": 300, "samples": 30},
    source="of an accuracy, luck is two standard errors of a binomial share; else 0.02, which is ours",
    looks="`diagnosis.outcome`: score and reference beside chance",
    weight=0.3,
    needs=("outcome",),
)
def nothing_to_learn(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """By what the network, or a plain one, is better than chance on samples held out, over what either could
    be by luck; after 300 steps or more, with 30 samples held out or more.
    """
    outcome = seen.outcome
    if outcome is None or not outcome.held or np.isnan(outcome.reference):
        return
    if outcome.steps < at["steps"] or outcome.held < at["samples"]:
        return
    best = max(float(np.nan_to_num(outcome.score, nan=-np.inf)), outcome.reference)
    times = max(best - outcome.chance, 0.0) / outcome.luck
    yield Sign(
        Measured("what is learned beyond chance, over luck", times, at["times"]),
        f"Neither this network nor a plain one, in {outcome.steps} steps, does better than chance on "
        "samples held out. Perhaps targets do not follow from inputs: look for rows that were shuffled "
        "apart. Or so few samples, or steps, do not show how.",
        certainty="possible",
        harmful=True,
    )


@symptom(
    "It learns by heart",
    thresholds={"share": BY_HEART, "rise": 0.2},
    source="Goodfellow, Bengio and Courville 2016, sections 5.2 and 7.8; the thresholds are ours",
    looks="`history.plot()`: val_loss rises while loss falls",
    ill=False,
    weight=0.3,
    needs=(),
)
def overfitting(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Share of what is learned beyond chance that is gone on samples held out; and by what part the
    validation loss has risen above its least, while the training loss went on falling.
    """
    outcome = seen.outcome
    if outcome is not None and outcome.held:
        yield Sign(
            Measured(
                "share of what is learned by heart", outcome.by_heart, at["share"], above=True
            ),
            f"On samples that it was trained with it scores {outcome.known:.2f}, on others "
            f"{outcome.score:.2f} (chance: {outcome.chance:.2f}): it learns the samples by heart. Give it "
            "more data, or less to learn with.",
        )
    history = seen.history
    if history is None or "val_loss" not in history or len(history["val_loss"]) < 3:
        return
    held_out, loss = np.asarray(history["val_loss"], float), np.asarray(history["loss"], float)
    if not np.isfinite(held_out).all() or not held_out.min() > 0:
        return
    best = int(held_out.argmin())
    rise = float(held_out[-1] / held_out.min() - 1) if loss[-1] < loss[best] else 0.0
    yield Sign(
        Measured("rise of the validation loss above its least", rise, at["rise"], above=True),
        f"Since epoch {best} the validation loss has risen by {rise:.0%} while the training loss went "
        "on falling: it learns the samples by heart. That is no illness of the gradient; stop "
        "earlier, or give it more data.",
    )


@symptom(
    "It was just not trained for long enough",
    thresholds={"fall": FALLS},
    source="a loss that still falls has not arrived",
    looks="`history.plot()`: a loss that falls to the last epoch",
    ill=False,
    weight=0.3,
    needs=(),
)
def not_trained_long(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """By what part of itself the loss fell in the last quarter of training; of one that has been, and has not
    been learned by heart.
    """
    anew = seen.outcome is not None and seen.history is None
    if anew or (seen.outcome is not None and seen.outcome.by_heart > BY_HEART):
        return
    fall = seen.still_falls
    yield Sign(
        Measured("fall of the loss in the last quarter", fall, at["fall"], above=True),
        f"The loss still falls, by {fall:.0%} in the last quarter of training: that is no illness; train "
        "on.",
    )
