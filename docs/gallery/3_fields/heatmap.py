"""
Every layer over the training, in colours
=========================================

Steps to the right, layers upwards: where the gradient vanishes the picture darkens towards the
input, and if that changed in the course of the training, it would be seen at once. The colours go
down to the smallest value.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "sigmoid") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.heatmap(flow)
