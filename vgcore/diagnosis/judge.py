"""From what rules have measured to findings: which are ill, which follow from which, in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vgcore.diagnosis.diagnosis import Diagnosis
from vgcore.diagnosis.evidence import UNDERWAY, Evidence
from vgcore.diagnosis.finding import Finding, Measured
from vgcore.diagnosis.symptoms import SYMPTOMS, Sign, Symptom
from vgcore.diagnosis.table import Trials
from vgcore.diagnosis.why import explained

_DEATH = ("dead_layer", "dead_units", "vanishing_gradient", "rate_too_low")
_LOSS = ("flat_loss", "rising_loss", "oscillating_loss", "not_finite", "loss_far_from_chance")
_SPREAD = ("collapsed_activations", "recurrence_repeats_bias")
_CURVED = ("beyond_stability", "rate_too_high", "unequal_layers", "saturated_units")

_LISTED: dict[str, tuple[str, ...]] = {
    "constant_inputs": (
        *_DEATH,
        *_SPREAD,
        *_LOSS,
        "inputs_of_unequal_scale",
        "nothing_to_learn",
    ),
    "constant_targets": (*_DEATH, *_SPREAD, *_LOSS, "nothing_to_learn", "targets_out_of_range"),
    "targets_out_of_range": (
        *_DEATH,
        *_LOSS,
        "output_activation",
        "saturated_units",
        "loss_of_classes",
    ),
    "output_activation": (*_DEATH, *_LOSS, "loss_of_classes", "beyond_stability"),
    "symmetric_units": ("small_weights", "large_weights", "bottleneck", *_DEATH, *_SPREAD, *_LOSS),
    "inputs_out_of_scale": (
        *_DEATH,
        *_LOSS,
        *_CURVED,
        "inputs_of_unequal_scale",
        "exploding_gradient",
    ),
    "inputs_of_unequal_scale": (*_DEATH, *_LOSS, "beyond_stability", "saturated_units"),
    "targets_out_of_scale": (*_DEATH, *_LOSS, *_CURVED, *_SPREAD, "exploding_gradient"),
    "large_weights": (*_DEATH, *_LOSS, *_CURVED, *_SPREAD, "exploding_gradient"),
    "small_weights": (*_DEATH, *_SPREAD, "unequal_layers", "flat_loss"),
    "hidden_softmax": (*_DEATH, *_SPREAD, "unequal_layers", "flat_loss"),
    "decay_too_strong": (*_DEATH, *_SPREAD, "rate_too_high", "flat_loss"),
    "momentum_out_of_range": (*_DEATH, *_LOSS, *_SPREAD, "saturated_units"),
    "epsilon_out_of_range": _LOSS,
    "exploding_through_time": (*_LOSS, *_CURVED, "exploding_gradient"),
    "exploding_gradient": (*_LOSS, *_CURVED, "too_deep"),
    "beyond_stability": (*_DEATH, *_LOSS, *_CURVED, *_SPREAD),
    "rate_too_high": (*_DEATH, *_LOSS, *_SPREAD, "unequal_layers", "saturated_units"),
    "dead_layer": (*_DEATH, *_SPREAD, *_LOSS, "unequal_layers", "bottleneck"),
    "too_much_dropout": ("flat_loss",),
    "unbalanced_classes": ("flat_loss", "rate_too_low"),
    "vanishing_through_time": ("flat_loss", "vanishing_gradient"),
    "vanishing_gradient": (*_SPREAD, "unequal_layers", "rate_too_low", "flat_loss", "too_deep"),
    "collapsed_activations": ("flat_loss", "recurrence_repeats_bias"),
    "rate_too_low": ("flat_loss",),
    "not_finite": ("flat_loss", "rising_loss", "oscillating_loss"),
}

FOLLOWS = {name: tuple(each for each in some if each != name) for name, some in _LISTED.items()}
"""What follows from a symptom; a symptom never follows from one that is listed behind it."""

CONTRADICTED = {"rate_too_low": ("rate_too_high", "beyond_stability")}
"""What is not told beside others: weights that have grown huge are hardly changed by a step."""

_RANK = {name: place for place, name in enumerate(FOLLOWS)}
CLEAR = 3
"""So many times beyond its threshold is a number that counts where nobody knows how well it learns."""

MOST_OF_THE_WAY = 0.6
"""From what is usual to a threshold, that counts where a network fails and no threshold is passed."""


def judged(evidence: Evidence, names: Iterable[str] = tuple(SYMPTOMS)) -> Diagnosis:
    """The findings of the rules of some names."""
    found: list[Finding] = []
    near: list[tuple[Symptom, Sign]] = []
    measured: dict[str, tuple[Measured, ...]] = {}
    unseen = []
    for name in names:
        symptom = SYMPTOMS[name]
        if any(getattr(evidence, need) is None for need in symptom.needs):
            unseen.append(name)
            continue
        signs = list(symptom.signs(evidence, symptom.thresholds))
        measured[name] = tuple(sign.measured for sign in signs)
        beyond = [
            sign
            for sign in signs
            if sign.measured.beyond and _matters(symptom, sign, evidence.learns)
        ][:1]
        found += [
            symptom.finding(sign, symptom.ill and _harms(symptom, sign, evidence.learns))
            for sign in beyond
        ]
        near += [(symptom, sign) for sign in signs[:1]]
    if not any(finding.ill for finding in found) and _fails(evidence):
        found += _nearest(near)
    return Diagnosis(
        tuple(explained(finding, evidence) for finding in ordered(found)),
        outcome=evidence.outcome,
        measured=measured,
        not_looked_at=tuple(unseen),
        notes=evidence.notes,
    )


def with_trials(found: Diagnosis, evidence: Evidence, trials: Trials) -> Diagnosis:
    """The diagnosis with the cures that were tried.

    Where a network fails and no rule said why, but a change cures it, the symptom that this change is for,
    and whose number has come nearest to its threshold, is told as possible.
    """
    found = replace(found, cures=trials)
    best = found.best
    if found.illnesses or best is None or not best.changes or not _fails(evidence):
        return found
    signs = [
        (symptom, sign)
        for name, symptom in SYMPTOMS.items()
        if best.changes[0] in symptom.cures and name in found.measured
        for sign in symptom.signs(evidence, symptom.thresholds)
    ]
    helped = tuple(
        finding.with_(sentence=f"{finding.sentence} A cure for it has helped: {best.name}.")
        for finding in _nearest(signs)
    )
    return replace(found, findings=(*helped, *found.findings))


def _nearest(signs: list[tuple[Symptom, Sign]]) -> list[Finding]:
    """The sign that has come furthest to its threshold, as possible, if it has come most of the way."""
    symptom, sign = max(signs, key=lambda each: each[0].way(each[1].measured), default=(None, None))
    if symptom is None or sign is None or symptom.way(sign.measured) <= MOST_OF_THE_WAY:
        return []
    finding = symptom.finding(sign, ill=True)
    said = f"No number passes its threshold; this has come nearest. {finding.sentence}"
    return [finding.with_(certainty="possible", sentence=said)]


def _fails(evidence: Evidence) -> bool:
    """Whether a network learns less than half of what a plain one does."""
    return evidence.outcome is not None and evidence.outcome.learned < UNDERWAY


def _harms(symptom: Symptom, sign: Sign, learns: bool | None) -> bool:
    """Whether a sign does harm: most do not in a network that learns as it should."""
    if learns is None:
        return sign.harmful or sign.certainty == "certain" or sign.measured.closeness >= CLEAR
    return not learns or sign.harmful or symptom.where_learning == "ill"


def _matters(symptom: Symptom, sign: Sign, learns: bool | None) -> bool:
    """Whether a sign is told at all: of a network that learns, some mean nothing."""
    return not learns or sign.harmful or symptom.where_learning != "untold"


def ordered(found: list[Finding]) -> tuple[Finding, ...]:
    """Findings, each with the one it follows from: illnesses that follow from no other first, by weight."""
    ill = {finding.symptom for finding in found if finding.ill}
    if ill:
        found = [finding for finding in found if finding.symptom != "learns_little"]
    found = [each for each in found if not ill.intersection(CONTRADICTED.get(each.symptom, ()))]
    told = []
    for finding in found:
        mine = _RANK.get(finding.symptom, len(_RANK))
        causes = [
            name
            for name, followers in FOLLOWS.items()
            if name in ill and _RANK[name] < mine and finding.symptom in followers
        ]
        told.append(finding.with_(follows_from=causes[0] if causes and finding.ill else ""))
    told.sort(
        key=lambda each: (
            not each.ill,
            bool(each.follows_from),
            each.certainty == "possible",
            -each.weight,
        )
    )
    return tuple(told)
