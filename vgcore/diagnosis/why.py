"""Why a gradient vanishes or explodes: findings with the factors of their layers or timesteps."""

from __future__ import annotations

import numpy as np

from vgcore.diagnosis import causes
from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Factor, Finding

_OVER_LAYERS = ("vanishing_gradient", "exploding_gradient")
_OVER_TIME = ("vanishing_through_time", "exploding_through_time")
_UNTOLD = (
    "a record of norms does not tell what weights and what slopes have part in it; "
    "model.diagnose(x, y) looks inside."
)


def explained(finding: Finding, evidence: Evidence) -> Finding:
    """The finding with its factors, if it is of a gradient on its way."""
    if finding.symptom not in (*_OVER_LAYERS, *_OVER_TIME):
        return finding
    at_start = finding.where.moment == "start"
    model = evidence.start if at_start else evidence.seen
    inside = evidence.inside_start if at_start else evidence.inside
    if model is None or inside is None:
        return finding.with_(why_sentence=_UNTOLD)
    factors: tuple[Factor, ...]
    if finding.symptom in _OVER_LAYERS:
        factors = causes.over_layers(model.model, inside)
    else:
        factors = causes.over_time(model.model, inside, finding.where.layers[0])
    if not any(np.isfinite(each.total) for each in factors):
        return finding
    return finding.with_(why=factors, why_sentence=causes.sentence(factors, model.model))
