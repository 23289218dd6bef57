"""
The gradient over time and training
===================================

Timesteps to the right. The lines are a few steps of the training, the picture below them all of
it: in the beginning only the last timesteps hear of the error, then the LSTM learns to let it
through.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 60, seed=0)

model = vg.Sequential([vg.LSTM(24), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.02), clip_norm=1.0)
flow = vg.GradientFlow()
model.fit(sequences, sums, epochs=25, batch_size=32, track=flow, verbose=0)

flow.plot_time()
