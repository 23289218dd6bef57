"""Changes that may cure a network, by their keys: each makes another recipe of a recipe."""

from vgcore.diagnosis.changes import data, layers, training
from vgcore.diagnosis.changes.base import (
    CHANGES,
    Change,
    Given,
    change,
    changes_of,
    clash,
    combined,
    described,
    ordered,
)

__all__ = [
    "CHANGES",
    "Change",
    "Given",
    "change",
    "changes_of",
    "clash",
    "combined",
    "data",
    "described",
    "layers",
    "ordered",
    "training",
]
