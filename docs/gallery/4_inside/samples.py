"""
The error signal of every sample and unit
=========================================

A row for each sample, a column for each unit of the first layer. It is rows that differ, by many
orders of magnitude: a few samples that the network is not sure of make nearly all of the
gradient.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

inside = model.internals(x[:200], y[:200])
vg.plot.heatmap(inside, "delta", layer="dense1")
