"""What was seen while a network trained: `GradientFlow`, filled by whoever measures."""

from vgcore.flow.distributions import Distribution
from vgcore.flow.internals import Inside, Internals
from vgcore.flow.joining import concat
from vgcore.flow.rates import Rate, geometric
from vgcore.flow.record import FIELDS, TIME_FIELDS, Declaration, Steps, Walk
from vgcore.flow.tracker import GradientFlow

__all__ = [
    "FIELDS",
    "TIME_FIELDS",
    "Declaration",
    "Distribution",
    "GradientFlow",
    "Inside",
    "Internals",
    "Rate",
    "Steps",
    "Walk",
    "concat",
    "geometric",
]
