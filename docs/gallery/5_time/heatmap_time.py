"""
Timesteps over the training, of an RNN
======================================

The same as a heatmap alone, with colours and a lowest value of one's own choice: what is below it
is drawn as its colour, and the colour bar says so. Most timesteps of this RNN stay in the dark.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 60, seed=0)

model = vg.Sequential([vg.RNN(24), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.02), clip_norm=1.0)
flow = vg.GradientFlow()
model.fit(sequences, sums, epochs=25, batch_size=32, track=flow, verbose=0)

vg.plot.heatmap(flow, "time", cmap="viridis", vmin=1e-6)
