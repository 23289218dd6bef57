"""Sequences of unequal lengths, an output at every timestep, and timesteps without a target."""

import numpy as np

import vgcore as vg

rng = np.random.default_rng(0)
sequences = [rng.normal(size=(length, 1)) for length in rng.integers(5, 40, size=400)]
signs = [(each.cumsum() > 0).astype(int) for each in sequences]  # of the sum so far
x, lengths = vg.data.pad_sequences(sequences)
y, _ = vg.data.pad_sequences(signs, dtype=int, value=-100)
y[:, 0] = -100  # nobody asks for the first
model = vg.Sequential(
    [vg.GRU(32, return_sequences=True), vg.Dense(2, "softmax")], input_shape=(None, 1), seed=0
)
model.compile("sparse_categorical_crossentropy", vg.Adam(0.01), ignore_index=-100)
flow = vg.GradientFlow(every=100)
history = model.fit(x, y, lengths=lengths, epochs=30, validation_split=0.2, track=flow, verbose=2)
print(f"accuracy at every timestep {history['val_accuracy'][-1]:.3f}")
print(f"one timestep back, the gradient is {flow.time_rate('gru1').factor[-1]:.2f} times as large")
