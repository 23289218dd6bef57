"""How fast it learns: learning rate, momentum, decay, and the loss that tells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from vgcore.diagnosis.evidence import BY_HEART, Evidence, middle
from vgcore.diagnosis.finding import Measured, Where
from vgcore.diagnosis.symptoms.base import Sign, symptom
from vgcore.flow import GradientFlow

_KARPATHY = "Karpathy 2016 (CS231n, Neural Networks part 3: updates are about 1e-3 of the weights)"
_LEAST_STEPS = 10
_SAMPLES = 32
_MOST = 0.75  # of the steps


def _speed(flow: GradientFlow | None, share: float) -> float:
    """Median over layers of the updates' share of the weights, which a share of the steps does not exceed."""
    if flow is None:
        return float("nan")
    rows = [row[np.isfinite(row)] for row in np.asarray(flow.update_ratio)]
    speed = [float(np.median(row)) for row in rows if len(row)]
    return float(np.quantile(speed, share)) if speed else float("nan")


def _smooth(losses: np.ndarray, batch_size: int | None) -> np.ndarray:
    """Means over as many steps as have 32 samples, where it is known how many a step has."""
    steps = math.ceil(_SAMPLES / batch_size) if batch_size else 1
    whole: np.ndarray = losses[: len(losses) // steps * steps].reshape(-1, steps).mean(axis=1)
    return whole


def _drift(losses: np.ndarray) -> float:
    """By what part of its beginning the loss has fallen: medians of the first and the last tenth."""
    edge = max(len(losses) // 10, 1)
    begin, end = np.median(losses[:edge]), np.median(losses[-edge:])
    return float((begin - end) / abs(begin)) if begin else 0.0


@symptom(
    "The learning rate is too high",
    thresholds={"speed": 0.1},
    source=_KARPATHY + "; the threshold is ours",
    looks="`flow.plot('update_ratio')` above 0.1; a loss that leaps",
    cures=("slower", "range_test", "clip"),
    weight=0.7,
    where_learning="untold",
    needs=("flow",),
    usual=3e-3,
)
def rate_too_high(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Norm of the update over that of the weights, median over layers; the largest of the first steps."""
    speed = _speed(seen.first, 1.0)
    if np.isnan(speed):
        return
    yield Sign(
        Measured("part of its weights that a step changes", speed, at["speed"], above=True),
        f"Each step changes the weights by {speed:.2g} of their size, where about 0.001 is usual: what was "
        "learned is overwritten at once.",
        Where(steps=(0, len(seen.losses) - 1)),
    )


@symptom(
    "The learning rate is too low",
    thresholds={"speed": 1e-4, "path": 0.1, "learned": 0.65, "fall": 0.01},
    source=_KARPATHY + "; the threshold is ours",
    looks="`flow.plot('update_ratio')` below 1e-4; a loss that falls on a straight line, and slowly",
    cures=("faster", "adam", "range_test", "momentum"),
    weight=0.6,
    where_learning="untold",
    needs=("flow",),
    usual=3e-3,
)
def rate_too_low(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Norm of the update over that of the weights, median over layers, which three of four steps do not
    exceed; the same times the number of steps; and of a loss that still falls, what is learned beyond
    chance over what a plain network learns in as many steps.
    """
    speed = _speed(seen.flow, _MOST)
    if np.isnan(speed):
        return
    yield Sign(
        Measured("part of its weights that a step changes", speed, at["speed"]),
        f"Each step changes the weights by {speed:.1g} of their size, where about 0.001 is usual: it "
        "learns, but takes for ever.",
    )
    if seen.outcome is None or not seen.outcome.learned < at["learned"]:
        return
    path, steps = speed * seen.outcome.steps, seen.outcome.steps
    yield Sign(
        Measured("part of its weights that all steps change, at most", path, at["path"]),
        f"All {steps} steps together change the weights by {path:.1g} of their size at most: it has "
        "hardly moved. Take longer steps, or more of them.",
    )
    if seen.still_falls > at["fall"] and not seen.outcome.by_heart > BY_HEART:
        yield Sign(
            Measured("part of what a plain network learns", seen.outcome.learned, at["learned"]),
            f"The loss still falls, but in {steps} steps a plain network learns more: this one learns "
            "too slowly, or was stopped too early.",
            certainty="possible",
        )


@symptom(
    "The loss rises",
    thresholds={"fall": -0.05},
    source="a step downhill that raises the loss is too long",
    looks="`history.plot()`, `flow.loss`: the loss rises",
    cures=("slower", "clip", "scale_targets", "scale_inputs", "range_test"),
    weight=0.65,
    where_learning="untold",
    needs=("flow",),
)
def rising_loss(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """By what part of itself the loss falls from the first three steps to the last tenth; a rise counts by
    what it is above twice the usual leap from step to step.
    """
    losses = seen.losses
    if len(losses) < _LEAST_STEPS or not np.isfinite(losses).all():
        return
    begin, end = np.median(losses[:3]), np.median(losses[-max(len(losses) // 10, 1) :])
    noise = 2 * float(np.median(np.abs(np.diff(losses))))
    fall = float(min(begin + noise - end, max(begin - end, 0)) / abs(begin)) if begin else 0.0
    yield Sign(
        Measured("fall of the loss, as a part of it", fall, at["fall"]),
        f"The loss rises: it ends {-fall:.0%} above where it began.",
        Where(steps=(int(seen.flow.step[0]), int(seen.flow.step[-1]))),  # type: ignore[union-attr]
    )


@symptom(
    "The loss stays where it is",
    thresholds={"fall": 0.02},
    source="Humbatova et al. 2020 (taxonomy of faults): the loss does not decrease; the threshold is ours",
    looks="`history.plot()`: a flat line",
    cures=("faster", "adam", "range_test", "relu", "scale_inputs", "batchnorm", "larger_batch"),
    weight=0.35,
    where_learning="untold",
    needs=("flow",),
)
def flat_loss(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """By what part of itself the loss changes from the first tenth of the steps to the last."""
    losses = seen.losses
    if len(losses) < _LEAST_STEPS or not np.isfinite(losses).all():
        return
    fall = abs(_drift(losses))
    yield Sign(
        Measured("change of the loss, as a part of it", fall, at["fall"]),
        f"After {len(losses)} steps the loss is where it was, within {fall:.1%}.",
        certainty="likely",
    )


@symptom(
    "The loss oscillates",
    thresholds={"leaps": 0.15},
    source="Zhang et al. 2021 (AutoTrainer): oscillating loss; the measure is ours",
    looks="`vg.plot.history(history)`, `flow.loss`: up and down by a large part of itself, without falling",
    cures=("slower", "larger_batch", "range_test", "clip"),
    weight=0.5,
    where_learning="untold",
    needs=("flow",),
)
def oscillating_loss(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Median leap of the loss from one step to the next over its median, in the last half of training,
    where it does not fall meanwhile; of minibatches of fewer than 32 samples, of as many as have these. What
    it leaps by from one minibatch to another while nothing is trained is taken off, where it is known.
    """
    losses = _smooth(seen.losses[len(seen.losses) // 2 :], seen.batch_size)
    if not (losses > 0).all():
        return
    if len(losses) < _LEAST_STEPS or not np.isfinite(losses).all() or _drift(losses) > 0.1:
        return
    typical = float(np.median(np.abs(losses)))
    leaps = float(np.median(np.abs(np.diff(losses)))) / typical if typical else 0.0
    leaps = math.sqrt(max(leaps**2 - (seen.sampling or 0.0) ** 2, 0.0))
    yield Sign(
        Measured(
            "leap of the loss from step to step, as a part of it", leaps, at["leaps"], above=True
        ),
        f"From one step to the next the loss leaps by {leaps:.0%} of itself, and does not fall: steps "
        "are too long, or minibatches too small.",
        certainty="likely" if leaps > 2 * at["leaps"] else "possible",
    )


@symptom(
    "The learning rate is beyond the edge of stability",
    thresholds={"times": 3.0},
    source="Cohen et al. 2021 (arXiv 2103.00065): gradient descent needs sharpness below 2 / learning rate",
    looks="a loss that rises or leaps in the first steps",
    cures=("slower", "range_test", "scale_inputs", "batchnorm"),
    weight=0.6,
    where_learning="untold",
    needs=("sharpness",),
)
def beyond_stability(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Learning rate times the largest curvature of the loss at the start, over what the rule bears: 2, with
    momentum m 2 + 2 m. Of plain gradient descent alone.
    """
    if not seen.sharpness or not np.isfinite(seen.sharpness) or seen.network is None:
        return
    if seen.network.compiled.treatment.learning_rates:
        return
    momentum = float(getattr(seen.network.optimizer, "momentum", 0.0))
    times = seen.network.rate * seen.sharpness / (2 + 2 * momentum)
    yield Sign(
        Measured(
            "learning rate times curvature, over what is stable", times, at["times"], above=True
        ),
        f"The loss is so curved at the start (largest curvature {seen.sharpness:.3g}) that a learning "
        f"rate above {(2 + 2 * momentum) / seen.sharpness:.2g} overshoots; it is "
        f"{seen.network.rate:.2g}.",
    )


def _setting(seen: Evidence, name: str) -> float | None:
    value = None if seen.network is None else getattr(seen.network.optimizer, name, None)
    return float(value) if isinstance(value, int | float) else None


@symptom(
    "Momentum is out of range",
    thresholds={"momentum": 0.995},
    source="Sutskever et al. 2013 (0.9 to 0.999 at most); the threshold is ours",
    looks="`model.optimizer`; a loss that swings in long waves",
    cures=("adam", "momentum"),
    weight=0.5,
    needs=("network",),
)
def momentum_out_of_range(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Momentum, or beta1 of Adam's kin."""
    for name in ("momentum", "beta1"):
        value = _setting(seen, name)
        if value:
            yield Sign(
                Measured(name, value, at["momentum"], above=True),
                f"With {name} {value:g} a step remembers the last {1 / max(1 - value, 1e-9):,.0f}: it "
                "runs on long after the slope has turned.",
            )


@symptom(
    "Weight decay is stronger than the gradient",
    thresholds={"part": 1.0},
    source="Krogh and Hertz 1991; the threshold is where decay outweighs the gradient",
    looks="`flow.plot('weight_norm')`: norms fall towards 0; the loss stops falling early",
    cures=("no_decay",),
    weight=0.65,
    needs=("network", "flow"),
    usual=1e-3,
)
def decay_too_strong(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Norm of what decay adds to the gradient over that of the gradient, median over layers, in the first
    steps: weight_decay times the weights' norm.
    """
    decay = _setting(seen, "weight_decay")
    if not decay or seen.first is None or seen.network is None:
        return
    if type(seen.network.optimizer).__name__ in ("AdamW", "Lion"):
        return
    gradient, weight = middle(seen.first, "weight_grad"), middle(seen.first, "weight_norm")
    known = np.isfinite(gradient) & np.isfinite(weight) & (gradient > 0)
    if not known.any():
        return
    part = float(np.median(decay * weight[known] / gradient[known]))
    yield Sign(
        Measured("weight decay over gradient", part, at["part"], above=True),
        f"Weight decay pulls {part:.2g} times as strongly as the loss's gradient: weights shrink "
        "towards 0, whatever the data say.",
    )


@symptom(
    "Adam's epsilon is out of range",
    thresholds={"decades": 4.5},
    source="Kingma and Ba 2015: 1e-8; Braiek and Khomh 2023 (TheDeepChecker) inject 1e-16",
    looks="`model.optimizer`",
    cures=("adam",),
    weight=0.4,
    needs=("network",),
)
def epsilon_out_of_range(seen: Evidence, at: Mapping[str, float]) -> Iterator[Sign]:
    """Decades between epsilon and 1e-8."""
    epsilon = _setting(seen, "epsilon")
    if not epsilon:
        return
    decades = float(abs(np.log10(epsilon / 1e-8)))
    much = (
        "no more than signs of gradients count, however small these are"
        if epsilon < 1e-8
        else ("steps are no longer scaled, and far too short")
    )
    yield Sign(
        Measured("decades between epsilon and 1e-8", decades, at["decades"], above=True),
        f"epsilon is {epsilon:g}: {much}.",
        certainty="possible",
    )
