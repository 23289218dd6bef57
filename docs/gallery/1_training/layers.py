"""
The error signal over the layers
================================

A sigmoid's slope is at most 1/4, and every layer multiplies the error signal by it on its way
back: on a log axis a straight line that falls towards the input. In the second picture a line is
the median over all recorded steps, and the band holds eight tenths of them.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "sigmoid") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

flow.plot()

# %%
# The gradient of the weights: the median over the steps, and quantiles.
flow.plot("weight_grad", band=(0.1, 0.9))
