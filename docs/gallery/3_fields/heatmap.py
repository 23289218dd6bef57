"""
Every layer over the training, in colours
=========================================

Steps to the right, layers upwards: a vanishing gradient is a picture that darkens towards the
input, and when it recovers is seen at once. The colours go down to the smallest value. The second
picture is of one layer, a row for each of its units.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4, units=True)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.heatmap(flow)

# %%
# How saturated each unit of a layer is: ``GradientFlow(units=True)`` records it.
vg.plot.heatmap(flow, "unit_saturated", layer="dense1")
