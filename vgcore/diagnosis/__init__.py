"""A verdict on a network: what is wrong, where, why, and what helps.

`Sequential.diagnose` and `GradientFlow.diagnose` return a `Diagnosis`. `SYMPTOMS` holds every rule by
name, with its thresholds and their source.
"""

from vgcore.diagnosis.diagnosis import Diagnosis
from vgcore.diagnosis.finding import Factor, Finding, Measured, Where
from vgcore.diagnosis.suggestion import Suggestion
from vgcore.diagnosis.symptoms import SYMPTOMS, Symptom

__all__ = [
    "SYMPTOMS",
    "Diagnosis",
    "Factor",
    "Finding",
    "Measured",
    "Suggestion",
    "Symptom",
    "Where",
]
