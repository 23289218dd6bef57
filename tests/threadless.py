"""What starts threads elsewhere, in a Python that has none; the last line says that all is done."""

import numpy as np

import vgcore as vg

X, Y = np.random.default_rng(0).normal(size=(60, 8)), np.arange(60) % 3
SEQUENCES = np.random.default_rng(1).normal(size=(3, 12, 4))


def made(seed=0):
    model = vg.Sequential([vg.Dense(9, "tanh"), vg.Dense(3, "softmax")], input_shape=8, seed=seed)
    model.compile("sparse_categorical_crossentropy", "adam")
    return model


assert (vg.cpu_level, vg.get_num_threads()) == ("baseline", 1)
flow = vg.GradientFlow()
assert made().fit(X, Y, epochs=2, track=flow, verbose="auto").epoch == [0, 1]
assert flow.diagnose().measured
assert made().diagnose(X, Y, seconds=0.5).cures
assert np.isfinite(vg.theory.predict(made(), X).delta).all()
results = vg.fit_many([made(seed) for seed in range(3)], X, Y, epochs=2)
assert [result.epoch for result in results] == 3 * [[0, 1]]
walk = vg.Sequential([vg.RNN(5, return_sequences=True)], input_shape=(None, 4), seed=0)
vg.set_num_threads(8)
assert np.isfinite(vg.theory.lyapunov(walk, SEQUENCES, "rnn1").exponents).all()
print("done")
