"""
What comes through skips, and what through bodies
=================================================

In a residual network the gradient takes two ways back around each block, and they are recorded
apart. Through the skip it comes as it is; the body adds to it. So it grows a little with each
block, and cannot vanish.
"""

import vgcore as vg

x, y = vg.data.digits()


def block():
    return vg.Residual([vg.Dense(40, "relu"), vg.Dense(40)])


layers = [vg.Dense(40), *(block() for _ in range(8)), vg.Dense(10)]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy")
vg.plot.branches(model.gradient_flow(x, y))
