"""
Recurrent cells at the start, over what theory predicts
=======================================================

The gradient over time of four untrained cells. An orthogonal RNN keeps it, a normal one loses it
along a straight line, and gates decide for themselves; Pascanu's bound is what the first cannot
be above.
"""

import matplotlib.pyplot as plt
import numpy as np

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 60, seed=0)
normal = vg.initializers.Normal(0, 1 / np.sqrt(64))
cells = {
    "RNN, orthogonal": vg.RNN(64),
    "RNN, normal": vg.RNN(64, recurrent_initializer=normal),
    "LSTM, forget bias 1": vg.LSTM(64),
    "GRU": vg.GRU(64),
}
seen, expected = {}, {}
for name, cell in cells.items():
    model = vg.Sequential([cell, vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse")
    seen[name] = model.gradient_flow(sequences, sums)
    expected[name] = vg.theory.predict(model, sequences)
_, ax = plt.subplots(figsize=(9, 4.8), layout="constrained")
vg.plot.compare(seen, "time", over="time", theory=expected, ax=ax)
