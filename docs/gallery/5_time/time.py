"""
The gradient over time and training
===================================

An LSTM learns to add two marked numbers of a long sequence. At first it learns to answer their
mean, and the gradient does not reach back; after about 350 steps it finds the marks, and from
then on the gradient reaches every timestep.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(1000, 40, seed=0)
model = vg.Sequential([vg.LSTM(32), vg.Dense(1)], input_shape=(None, 2), seed=0)
model.compile("mse", vg.Adam(0.01), clip_norm=1.0)
flow = vg.GradientFlow(every=8)
model.fit(sequences, sums, epochs=30, track=flow, verbose=0)

flow.plot_time()
