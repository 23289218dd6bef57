"""
Glorot and Bengio's figure
==========================

The outputs of five tanh layers before any training, on the activation's own range. At the
standard start of 2010 they close in on 0 with depth; at the normalised start all layers have
about the same (X. Glorot and Y. Bengio, AISTATS 2010, figure 6).
"""

import matplotlib.pyplot as plt
import numpy as np

import vgcore as vg

x, _ = vg.data.digits()


def outputs(initializer):
    layers = [vg.Dense(400, "tanh", weight_initializer=initializer) for _ in range(5)]
    return vg.Sequential(layers, input_shape=64, seed=0).internals(x[:300] - 0.5)


standard = vg.initializers.VarianceScaling(1 / np.sqrt(3), "fan_in", "uniform")
starts = {"standard": standard, "normalised": "glorot_uniform"}
figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
for ax, (name, start) in zip(axes, starts.items(), strict=True):
    vg.plot.histograms(outputs(start), "h", activation="tanh", ax=ax, legend=ax is axes[1])
    ax.set_title(name)
