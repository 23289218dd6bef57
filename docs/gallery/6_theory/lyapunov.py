"""
Lyapunov spectra of two cells
=============================

By what each direction of the state grows at each timestep, as a logarithm: 0 keeps it, what is
below is forgotten. Both trained cells keep one direction. Behind it the RNN forgets fast; of the
LSTM, whose state is twice as large, thirty directions lose less than a factor of e.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(1000, 40, seed=0)


def exponents(cell, name):
    model = vg.Sequential([cell, vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse", vg.Adam(0.01), clip_norm=1.0)
    model.fit(sequences, sums, epochs=30, verbose=0)
    return vg.theory.lyapunov(model, sequences[:16], name)


ax = vg.plot.lyapunov(exponents(vg.RNN(32), "rnn1"), label="RNN")
vg.plot.lyapunov(exponents(vg.LSTM(32), "lstm1"), label="LSTM", ax=ax)
