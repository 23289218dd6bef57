"""Table C: recurrent programs of deepmufl (Ghanbari et al. 2023, ASE).

Faults of all but 50338865 are inferred. Where the published stand-in has nothing to learn (constant
inputs, random labels), or too little, the data are our own, of the same shape. Smaller than published:
61274792 has 100 words of 16 numbers and 32 units in the place of 1000 and 256; 62440336 has 1,323
timesteps in the place of 1,323,000, and as many filters and units fewer.
"""

from __future__ import annotations

import numpy as np

import vgcore as vg
from programs import keras
from programs.program import (
    Data,
    Form,
    Program,
    between_0_and_1,
    dense,
    of,
    split,
    stack,
    standardised,
)

Rng = np.random.Generator

ONE_SOFTMAX = frozenset({"output_activation"})


def _xor(rng: Rng) -> Data:
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    return split(x[:, np.newaxis], (x.sum(axis=1) == 1).astype(int))


def _one_step() -> Program:
    """XOR through LSTMs of one timestep: their recurrent weights get no gradient at all."""
    hidden = [of(vg.LSTM, 10, return_sequences=True), of(vg.LSTM, 10)]
    faulty = Form(stack(*hidden, of(vg.Dense, 2)), "mae", keras.adam(), epochs=50)
    healthy = faulty.but(
        layers=stack(*hidden, of(vg.Dense, 2, "softmax")),
        loss="categorical_crossentropy",
        optimizer=keras.adam(0.01),
        epochs=400,
    )
    causes = frozenset(
        {
            "output_activation",
            "loss_of_classes",
            "one_step_sequences",
            "not_trained_long",
            "rate_too_low",
        }
    )
    return Program("50338865", "C", causes, _xor, faulty, healthy)


def _two_sequences(rng: Rng) -> Data:
    x = np.array(
        [
            [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
            [[20, 21, 22, 23], [24, 25, 26, 27], [28, 29, 30, 31]],
        ],
        dtype=float,
    )
    return split(x, np.array([[[7.0], [8], [9]], [[10], [11], [12]]]), "numbers")


def _out_of_reach() -> Program:
    """Targets of 7 to 12 for a tanh, inputs of up to 31, and five steps."""
    faulty = Form(
        stack(of(vg.LSTM, 10, return_sequences=True), of(dense, 50, 1, activation="tanh")),
        "mse",
        keras.adam(),
        epochs=5,
    )
    healthy = faulty.but(
        layers=stack(
            of(vg.LSTM, 10, return_sequences=True),
            of(vg.Dense, 50, "tanh"),
            of(vg.Dense, 1),
        ),
        optimizer=keras.adam(0.01),
        epochs=300,
        scale_x=standardised,
        scale_y=standardised,
    )
    causes = frozenset(
        {
            "targets_out_of_range",
            "inputs_out_of_scale",
            "targets_out_of_scale",
            "not_trained_long",
            "output_activation",
        }
    )
    return Program("54811239", "C", causes, _two_sequences, faulty, healthy)


def _rising(rng: Rng) -> Data:
    """Which of two features rises more over ten timesteps, in noise."""
    y = rng.integers(2, size=1000)
    x = 0.5 * rng.standard_normal((1000, 10, 7))
    time = np.linspace(-1, 1, 10)
    x[:, :, 0] += np.where(y[:, np.newaxis] == 1, 1, 0) * time
    x[:, :, 3] += np.where(y[:, np.newaxis] == 0, 1, 0) * time
    return split(x, y)


def _sigmoid_convolutions() -> Program:
    """Sigmoids in convolutions, and a low rate; the LSTM sees one timestep (masking is left out)."""

    def form(activation: str, rate: float) -> Form:
        return Form(
            stack(
                of(vg.Conv1d, 64, 3, activation),
                of(vg.MaxPool, 3),
                of(vg.Conv1d, 64, 2, activation),
                of(vg.LSTM, 8),
                of(vg.Dense, 2, "softmax"),
            ),
            "categorical_crossentropy",
            keras.adam(rate),
            batch=50,
            epochs=20,
        )

    causes = frozenset(
        {
            "vanishing_gradient",
            "saturated_units",
            "collapsed_activations",
            "recurrence_repeats_bias",
            "one_step_sequences",
            "rate_too_low",
            "not_trained_long",
        }
    )
    return Program("58043002", "C", causes, _rising, form("sigmoid", 1e-4), form("relu", 1e-3))


def _words(rng: Rng) -> Data:
    """Sequences of 12 words out of 100; which of two kinds of words is more frequent."""
    y = rng.integers(2, size=1000)
    of_class = y[:, np.newaxis] * 20 + rng.integers(20, size=(1000, 12))
    other = rng.integers(40, 100, size=(1000, 12))
    return split(np.where(rng.random((1000, 12)) < 0.12, of_class, other), y)


def _dropouts() -> Program:
    """Half of everything is dropped, four times over."""

    def form(rates: tuple[float, float, float]) -> Form:
        before, within, after = rates
        return Form(
            stack(
                of(vg.Embedding, 100, 16, weight_initializer=keras.UNIFORM),
                of(vg.Dropout, before),
                of(vg.Dropout, within, across_time=True),
                of(vg.LSTM, 32),
                of(vg.Dropout, within),
                of(vg.Dense, 16),
                of(vg.Dropout, after),
                of(vg.Dense, 1, "sigmoid"),
            ),
            "binary_crossentropy",
            keras.rmsprop(),
            epochs=10,
            targets="column",
        )

    causes = frozenset({"too_much_dropout"})
    faulty, healthy = form((0.5, 0.6, 0.5)), form((0.1, 0.1, 0.1))
    return Program("61274792", "C", causes, _words, faulty, healthy)


def _pitch(rng: Rng) -> Data:
    """1,323 samples of a tone in noise, and its frequency from 0 to 1."""
    pitch = rng.random((300, 1))
    time = np.arange(1323)
    wave = np.sin((0.05 + 0.25 * pitch) * time + rng.uniform(0, 6, (300, 1)))
    return split((wave + 0.3 * rng.standard_normal(wave.shape))[..., np.newaxis], pitch, "numbers")


def _one_softmax_of_sound() -> Program:
    """A softmax over one unit for numbers from 0 to 1."""
    hidden = [
        of(vg.Conv1d, 16, 20, "relu", stride=10),
        of(vg.Conv1d, 16, 10, "relu", stride=9),
        of(vg.LSTM, 32),
        of(dense, 32, 16),
    ]
    faulty = Form(
        stack(*hidden, of(vg.Dense, 1, "softmax")),
        "binary_crossentropy",
        keras.adam(),
        batch=16,
        epochs=60,
    )
    healthy = faulty.but(layers=stack(*hidden, of(vg.Dense, 1, "sigmoid")), loss="mse")
    return Program("62440336", "C", ONE_SOFTMAX, _pitch, faulty, healthy)


def _next_value(rng: Rng) -> Data:
    """Ten values of a sine in noise, and the next one."""
    phase = rng.uniform(0, 2 * np.pi, (1000, 1))
    wave = np.sin(phase + 0.4 * np.arange(11)) + 0.05 * rng.standard_normal((1000, 11))
    wave = (wave - wave.min()) / (wave.max() - wave.min())
    return split(wave[:, :10, np.newaxis], wave[:, 10:], "numbers")


def _one_softmax_of_series() -> Program:
    """A softmax over one unit behind an LSTM whose candidate is a sigmoid."""
    faulty = Form(
        stack(of(vg.LSTM, 80, "sigmoid", "hard_sigmoid"), of(vg.Dense, 1, "softmax")),
        "mse",
        keras.rmsprop(),
        epochs=10,
        scale_x=between_0_and_1,
    )
    healthy = faulty.but(layers=stack(of(vg.LSTM, 80), of(vg.Dense, 1, "sigmoid")))
    return Program("68938619", "C", ONE_SOFTMAX, _next_value, faulty, healthy)


PROGRAMS = [
    _one_step(),
    _out_of_reach(),
    _sigmoid_convolutions(),
    _dropouts(),
    _one_softmax_of_sound(),
    _one_softmax_of_series(),
]
