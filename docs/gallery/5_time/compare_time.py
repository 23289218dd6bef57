"""
How far back the gradient of two cells reaches
==============================================

The norm of dL/dh at each timestep, before any training. On its way back from the last timestep
that of the RNN falls on a straight line, by the same factor each time; that of the LSTM falls
steeply at first, through the output gate, and then less and less, along the cell's state.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 60, seed=0)


def look(cell):
    model = vg.Sequential([cell, vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse")
    return model.gradient_flow(sequences, sums)


vg.plot.compare({"RNN": look(vg.RNN(24)), "LSTM": look(vg.LSTM(24))}, "time")
