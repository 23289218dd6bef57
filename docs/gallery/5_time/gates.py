"""
Inside an LSTM: its gates
=========================

How often each gate is open or closed (Karpathy, Johnson and Fei-Fei's picture), and how large the
gradient is that reaches it at each timestep. A forget gate that is open is a way along which
nothing is lost.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 60, seed=0)

model = vg.Sequential([vg.LSTM(24), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.02), clip_norm=1.0)
flow = vg.GradientFlow()
model.fit(sequences, sums, epochs=25, batch_size=32, track=flow, verbose=0)

inside = model.internals(sequences[:24], sums[:24])
vg.plot.gates(inside, "lstm1")

# %%
# The forget gate of each sample, the mean over the units; or "dgates", "h", "c", "dc", ...
vg.plot.heatmap(inside, "gates", gate="f", layer="lstm1")
