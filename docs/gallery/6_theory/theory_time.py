"""
Recurrent cells at the start, over what theory predicts
=======================================================

The gradient over time of four untrained cells: lines are measured, dashes are theory, and within
the bands lie nine of ten networks of this width. An RNN that starts from normal numbers may keep
the gradient or lose it, so wide is its band; the GRU loses a third of it at each timestep. No RNN
can be above Pascanu's bound.
"""

import matplotlib.pyplot as plt
import numpy as np

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 40, seed=0)
normal = vg.initializers.Normal(0, 1 / np.sqrt(32))
cells = {
    "RNN, orthogonal": vg.RNN(32),
    "RNN, normal": vg.RNN(32, recurrent_initializer=normal),
    "LSTM, forget bias 1": vg.LSTM(32),
    "GRU": vg.GRU(32),
}
seen, expected = {}, {}
for name, cell in cells.items():
    model = vg.Sequential([cell, vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse")
    seen[name] = model.gradient_flow(sequences, sums)
    expected[name] = vg.theory.predict(model, sequences[:64])
_, ax = plt.subplots(figsize=(9, 4.8), layout="constrained")
vg.plot.compare(seen, "time", over="time", theory=expected, ax=ax)
