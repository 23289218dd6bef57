"""
The gradient of each sample and timestep
========================================

A row for each sequence. The task is to add two marked numbers, and the trained LSTM looks at the
right ones: two bright cells in each row are the marks.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(1000, 40, seed=0)
model = vg.Sequential([vg.LSTM(32), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.01), clip_norm=1.0)
model.fit(sequences, sums, epochs=30, verbose=0)

inside = model.internals(sequences[:24], sums[:24])
vg.plot.heatmap(inside, "dh", layer="lstm1")

# %%
# Sequences of different lengths: what lies behind the end of one is no value, and left white.
lengths = list(range(16, 40))
inside = model.internals(sequences[:24], sums[:24], lengths=lengths)
vg.plot.heatmap(inside, "dh", layer="lstm1")
