"""Rules, each with its thresholds, their source, and what cures it; those of a matter share a file."""

from vgcore.diagnosis.symptoms import (
    data,
    gradients,
    outputs,
    rates,
    recurrent,
    starts,
    training,
    units,
)
from vgcore.diagnosis.symptoms.base import SYMPTOMS, Sign, Symptom

__all__ = [
    "SYMPTOMS",
    "Sign",
    "Symptom",
    "data",
    "gradients",
    "outputs",
    "rates",
    "recurrent",
    "starts",
    "training",
    "units",
]
