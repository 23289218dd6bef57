"""
Where on its activation a layer works
=====================================

tanh, its slope, and below them a histogram of the pre-activations of one layer after training. In
the grey the slope is below a twentieth of its largest: what lies there, a third of this layer's
values, sends next to no gradient on.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

inside = model.internals(x[:200], y[:200])
vg.plot.activation("tanh", inside["dense3"].z)
