"""
Saturated and dead units over the training
==========================================

An output is saturated where its slope is next to 0: no gradient goes through it. A unit is dead
where that is so for every sample. At first hardly any output is saturated; after ten passes a
third of those of the later layers are.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.saturation(flow)
