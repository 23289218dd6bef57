"""
A training that diverges
========================

What diverges is drawn as what it is: infinite values are marks on the upper edge, NaN is a
hatched gap, and the legend counts both. The gradient grows for a few steps before the first
number overflows.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(20, "relu") for _ in range(5)] + [vg.Dense(1)]
model = vg.Sequential(layers, input_shape=64, seed=1)
model.compile("mse", vg.SGD(1.0), on_nonfinite="ignore")
flow = vg.GradientFlow()
model.fit(x[:64], y[:64, None], epochs=12, batch_size=64, track=flow, verbose=0)
vg.plot.over_training(flow, "weight_grad")
