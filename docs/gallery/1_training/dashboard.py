"""
One record in one figure
========================

Loss, error signal over layers and training, update ratios and saturation side by side: what to
look at first. Pictures take the ground of matplotlib's style, here that of a dark slide.
"""

import matplotlib.pyplot as plt

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

with plt.style.context("dark_background"):
    vg.plot.dashboard(flow, label="A tanh network, on a dark slide")
