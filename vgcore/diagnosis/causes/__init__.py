"""Why gradients vanish or explode: the factor of each layer and each timestep, and what made it so.

All of it is measured in one backward pass (`Sequential.internals`); no theory, no expectation over weights.
"""

from vgcore.diagnosis.causes.layers import over_layers
from vgcore.diagnosis.causes.time import over_time
from vgcore.diagnosis.causes.told import Part, blame, sentence, typical

__all__ = ["Part", "blame", "over_layers", "over_time", "sentence", "typical"]
