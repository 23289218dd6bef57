"""
Inside an LSTM: its gates
=========================

How often each gate is open or closed (as Karpathy, Johnson and Fei-Fei draw it, 2015), and how
large the gradient is that reaches it at each timestep. An eighth of the forget gates are open
throughout: along these nothing is lost.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(1000, 40, seed=0)
model = vg.Sequential([vg.LSTM(32), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.01), clip_norm=1.0)
model.fit(sequences, sums, epochs=30, verbose=0)

inside = model.internals(sequences[:24], sums[:24])
vg.plot.gates(inside, "lstm1")

# %%
# The forget gate of each sample, the mean over the units; or "dgates", "h", "c", "dc", ... It closes a
# little at the two marked timesteps, where something new is to be kept.
vg.plot.heatmap(inside, "gates", gate="f", layer="lstm1")
