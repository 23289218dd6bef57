"""Pictures of a `GradientFlow`, drawn on matplotlib's Axes and Figures; matplotlib is imported when one is.

Pictures of one panel take and return Axes, those of several a Figure. They leave nothing out: the x axis
spans every layer, step or timestep there is, and what an axis or a scale of colours cannot show stands as
what it is and is counted in the legend.
"""

from vgcore.plot.activation import activation
from vgcore.plot.animation import animate
from vgcore.plot.blocks import branches
from vgcore.plot.compare import compare
from vgcore.plot.dashboard import dashboard
from vgcore.plot.distributions import distribution, histograms
from vgcore.plot.gates import gates
from vgcore.plot.heatmaps import heatmap
from vgcore.plot.history import history
from vgcore.plot.layers import flow
from vgcore.plot.live import live
from vgcore.plot.style import blank, check_path, panels
from vgcore.plot.theory import lyapunov, phase_diagram, singular_values
from vgcore.plot.time import time
from vgcore.plot.training import over_training, saturation

__all__ = [
    "activation",
    "animate",
    "blank",
    "branches",
    "check_path",
    "compare",
    "dashboard",
    "distribution",
    "flow",
    "gates",
    "heatmap",
    "histograms",
    "history",
    "live",
    "lyapunov",
    "over_training",
    "panels",
    "phase_diagram",
    "saturation",
    "singular_values",
    "time",
]


def __dir__() -> list[str]:
    """What users look for."""
    return __all__
