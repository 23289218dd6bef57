"""
Every unit of a layer over the training
=======================================

How saturated each unit is, a row each: of what samples its slope is next to 0. Most units of this
layer stay free; a few bright rows make up the layer's mean. ``GradientFlow(units=True)`` records
it.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4, units=True)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.heatmap(flow, "unit_saturated", layer="dense1")
