"""Pictures of a `GradientFlow`, drawn on matplotlib's Axes and Figures; matplotlib is imported when one is.

Colours are perceptually even maps that every kind of colour vision tells apart: viridis counts
steps, plasma counts layers, magma measures.
"""

from vgcore.plot.layers import flow
from vgcore.plot.style import blank, check_path, panels
from vgcore.plot.time import time
from vgcore.plot.training import over_training

__all__ = ["blank", "check_path", "flow", "over_training", "panels", "time"]
