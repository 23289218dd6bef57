"""
The phases of a start
=====================

The factor χ₁ by which each layer multiplies the squared gradient, over the variances of weights
and biases. On the critical line it is 1 and depth costs nothing; on one side gradients vanish, on
the other they explode. :mod:`vgcore.meanfield` has the maps themselves: χ₁, the edge of chaos,
depth scales, and the fixed points of lengths and correlations.
"""

import vgcore as vg

vg.plot.phase_diagram("tanh")
