"""
The error signal of all layers at one step
==========================================

One lane for each layer. Zeros stand beside the bins, on the same axis of shares: behind a ReLU
about half of the error signal is exactly 0, and what is left is smaller the nearer it is to the
input.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "relu") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4, distributions=True)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.histograms(flow, "delta")
