"""From what rules have measured to findings: which are ill, which follow from which, in which order."""

from __future__ import annotations

import time

from vgcore.diagnosis.diagnosis import Diagnosis
from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Finding, Measured
from vgcore.diagnosis.symptoms import SYMPTOMS

_DEATH = ("dead_layer", "dead_units", "vanishing_gradient", "rate_too_low")
_LOSS = ("flat_loss", "rising_loss", "oscillating_loss", "not_finite", "loss_far_from_chance")
_SPREAD = ("collapsed_activations", "recurrence_repeats_bias")
_CURVED = ("beyond_stability", "rate_too_high", "unequal_layers", "saturated_units")

FOLLOWS: dict[str, tuple[str, ...]] = {
    "not_finite": ("flat_loss", "rising_loss", "oscillating_loss"),
    "constant_inputs": (*_SPREAD, *_LOSS, "inputs_of_unequal_scale"),
    "targets_out_of_range": (
        *_DEATH,
        *_LOSS,
        "output_activation",
        "saturated_units",
        "targets_out_of_scale",
    ),
    "output_activation": (*_DEATH, *_LOSS, "loss_of_classes", "beyond_stability"),
    "symmetric_units": ("small_weights", "large_weights", "bottleneck", *_SPREAD, *_LOSS),
    "inputs_out_of_scale": (
        *_DEATH,
        *_LOSS,
        *_CURVED,
        "inputs_of_unequal_scale",
        "exploding_gradient",
    ),
    "inputs_of_unequal_scale": (*_LOSS, "beyond_stability", "saturated_units"),
    "targets_out_of_scale": (*_LOSS, *_CURVED, "dead_layer", "dead_units", "exploding_gradient"),
    "large_weights": (*_DEATH, *_LOSS, *_CURVED, "exploding_gradient", *_SPREAD),
    "small_weights": (
        "vanishing_gradient",
        "unequal_layers",
        "rate_too_low",
        "flat_loss",
        *_SPREAD,
    ),
    "hidden_softmax": (
        "vanishing_gradient",
        "unequal_layers",
        "rate_too_low",
        "flat_loss",
        *_SPREAD,
    ),
    "beyond_stability": (*_DEATH, *_LOSS, *_CURVED),
    "rate_too_high": (*_DEATH, *_LOSS, *_CURVED, *_SPREAD),
    "exploding_through_time": (*_LOSS, "unequal_layers"),
    "exploding_gradient": (*_LOSS, *_CURVED),
    "decay_too_strong": (*_SPREAD, "vanishing_gradient", "flat_loss"),
    "dead_layer": (
        "dead_units",
        "vanishing_gradient",
        "unequal_layers",
        "rate_too_low",
        *_SPREAD,
        *_LOSS,
    ),
    "vanishing_gradient": ("unequal_layers", "rate_too_low", "flat_loss", *_SPREAD),
    "collapsed_activations": ("flat_loss", "recurrence_repeats_bias"),
    "too_much_dropout": ("flat_loss",),
    "unbalanced_classes": ("flat_loss",),
    "rate_too_low": ("flat_loss",),
    "momentum_out_of_range": _LOSS,
    "epsilon_out_of_range": _LOSS,
}
"""What follows from a symptom; of two that could follow from each other, from the one that is listed first.
"""


def judged(evidence: Evidence, steps: int, begin: float) -> Diagnosis:
    """The findings of all rules."""
    found: list[Finding] = []
    measured: dict[str, tuple[Measured, ...]] = {}
    unseen = []
    for name, symptom in SYMPTOMS.items():
        if any(getattr(evidence, need) is None for need in symptom.needs):
            unseen.append(name)
            continue
        signs = list(symptom.signs(evidence, symptom.thresholds))
        measured[name] = tuple(sign.measured for sign in signs)
        harmless = evidence.learns is True and symptom.harmless_where_learning
        found += [
            finding.with_(ill=finding.ill and not harmless) for finding in symptom.findings(signs)
        ]
    return Diagnosis(
        ordered(found),
        outcome=evidence.outcome,
        measured=measured,
        not_looked_at=tuple(unseen),
        steps=steps,
        seconds=time.monotonic() - begin,
    )


def ordered(found: list[Finding]) -> tuple[Finding, ...]:
    """Findings, each with the one it follows from: illnesses that follow from no other first, by weight."""
    ill = {finding.symptom for finding in found if finding.ill}
    rank = {name: place for place, name in enumerate(FOLLOWS)}

    def is_cause(name: str, of: str) -> bool:
        mutual = name in FOLLOWS.get(of, ())
        return of in FOLLOWS[name] and not (mutual and rank[of] < rank[name])

    told = []
    for finding in found:
        causes = [name for name in FOLLOWS if name in ill and is_cause(name, finding.symptom)]
        told.append(finding.with_(follows_from=causes[0] if causes and finding.ill else ""))
    told.sort(key=lambda each: (not each.ill, bool(each.follows_from), -each.weight))
    return tuple(told)
