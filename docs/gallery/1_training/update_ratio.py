"""
Update ratios over the training
===============================

How far a step moves the weights of each layer, as a part of their size. About one in a thousand
is a rule of thumb, drawn as a guide; a layer far below it stands still. These layers make larger
steps, all of about the same size. Lines are running medians, bands hold eight tenths of the steps
around.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.over_training(flow, "update_ratio", smooth=11, band=(0.1, 0.9))
