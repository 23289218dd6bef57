"""
The gradient of each sample and timestep
========================================

Sequences of different lengths, a row each. What lies behind a sequence's end is no value, and
left white. The marks of the adding problem, two per sequence, stand out: it is to these timesteps
that the gradient goes.
"""

import numpy as np

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 60, seed=0)

model = vg.Sequential([vg.LSTM(24), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.02), clip_norm=1.0)
flow = vg.GradientFlow()
model.fit(sequences, sums, epochs=25, batch_size=32, track=flow, verbose=0)

lengths = np.random.default_rng(0).integers(20, 61, 24)
inside = model.internals(sequences[:24], sums[:24], lengths=lengths)
vg.plot.heatmap(inside, "dh", layer="lstm1")
