"""
Lyapunov spectra of two cells
=============================

By what each direction of the state grows per timestep, as a rate: below 0 it is forgotten, above
it explodes. The LSTM has directions next to 0, along which it remembers; the RNN forgets them
all.
"""

import vgcore as vg

sequences, sums = vg.data.adding_problem(256, 60, seed=0)


def exponents(cell, name):
    model = vg.Sequential([cell, vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse", vg.Adam(0.02), clip_norm=1.0)
    model.fit(sequences, sums, epochs=25, batch_size=32, verbose=0)
    return vg.theory.lyapunov(model, sequences[:16], name)


ax = vg.plot.lyapunov(exponents(vg.RNN(24), "rnn1"), label="RNN")
vg.plot.lyapunov(exponents(vg.LSTM(24), "lstm1"), label="LSTM", ax=ax)
