"""
Timesteps over the training, of an RNN
======================================

The same task as a heatmap alone, with a colour map and a lowest value of one's own choice: what
is below takes the lowest colour, and the colour bar says so. How far back the gradient of this
RNN reaches comes and goes, and it does not learn.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(1000, 40, seed=0)
model = vg.Sequential([vg.RNN(32), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.01), clip_norm=1.0)
flow = vg.GradientFlow(every=8)
model.fit(sequences, sums, epochs=30, track=flow, verbose=0)

vg.plot.heatmap(flow, "time", cmap="viridis", vmin=1e-6)
