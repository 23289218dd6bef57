"""
Singular values of the weights
==============================

By what each layer's matrix stretches the directions of its input, the largest first. A few
directions grow by more than three, which is what the layers have learned; the last are all but
lost.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.singular_values(model)
