"""
The error signal of all layers at one step
==========================================

Zeros stand beside the bins, on the same axis of shares: of the output layer hardly any number is
0, behind ReLUs three quarters are, and only the rest are histograms.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "relu") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4, distributions=True)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.histograms(flow, "delta")
