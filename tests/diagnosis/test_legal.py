"""Every legal model, and all that may be said of targets, can be diagnosed, and truly."""

import warnings

import numpy as np
import pytest

import vgcore as vg
from vgcore import GRU, LSTM, RNN, BatchNorm, Dense, Embedding

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4)).astype(np.float32)
Y = rng.normal(size=(60, 1)).astype(np.float32)
LABELS = rng.choice([0, 1, 2], 60)
SEQUENCES = rng.normal(size=(60, 7, 3)).astype(np.float32)
SLOW = vg.SGD(1e-6)
CLASSES = "sparse_categorical_crossentropy"


def model(layers, shape=4, loss="mse", optimizer="sgd", **options):
    made = vg.Sequential(layers, input_shape=shape, seed=0)
    made.compile(loss, optimizer, **options)
    return made


def spoilt(network, value):
    network.load_state_dict(
        {name: np.full_like(each, value) for name, each in network.state_dict().items()}
    )
    return network


def regression(**options):
    return model([Dense(5, "tanh"), Dense(1)], **options)


def plateau():
    return vg.SGD(vg.schedules.ReduceOnPlateau(0.1, monitor="val_loss"))


CASES = {
    "ignored labels": lambda: (
        model([Dense(5, "relu"), Dense(3, "softmax")], 4, CLASSES, SLOW, ignore_index=0), X, LABELS,
    ),
    "a rate that looks at a validation": lambda: (regression(optimizer=plateau()), X, Y),
    "parameters of NaN": lambda: (spoilt(regression(), np.nan), X, Y),
    "huge inputs": lambda: (regression(), X * 1e30, Y),
    "huge targets": lambda: (regression(), X, Y * 1e25),
    "batch norm and a remainder of one": lambda: (
        model([Dense(5), BatchNorm(), Dense(1)]), np.tile(X, (2, 1))[:65], np.tile(Y, (2, 1))[:65],
    ),
    "stateful": lambda: (model([LSTM(4, stateful=True), Dense(1)], (None, 3)), SEQUENCES, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_diagnosis_comes_without_warnings(name):
    network, x, y = CASES[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(network.diagnose(x, y, seconds=1))


def test_padding_is_no_data():
    lengths = rng.integers(1, 6, 300)
    x = rng.normal(size=(300, 8, 3)).astype(np.float32)
    y = x.sum(axis=2, keepdims=True)
    y[np.arange(8) >= lengths[:, np.newaxis]] = 1000
    network = model([GRU(16, return_sequences=True), Dense(1)], (None, 3), optimizer="adam")
    network.fit(x, y, lengths=lengths, epochs=40, verbose=0)
    diagnosis = network.diagnose(x, y, lengths, cures=False)
    assert diagnosis.healthy
    assert diagnosis.outcome.score > 0.9


def test_lengths_are_no_cure_where_every_timestep_is_asked_for():
    x, y = np.zeros((60, 8, 3), np.float32), np.zeros((60, 8), int)
    x[:, :3] = SEQUENCES[:, :3]
    x[0, 3:6] = 1
    network = model([RNN(4, return_sequences=True), Dense(2, "softmax")], (None, 3), CLASSES, SLOW)
    diagnosis = network.diagnose(x, y, seconds=1)
    assert "padding_without_lengths" not in {each.symptom for each in diagnosis.findings}
    assert not any("lengths" in row.changes for row in diagnosis.cures or ())


def test_parameters_that_are_not_finite_are_named_in_a_trained_network():
    network = regression()
    network.fit(X, Y, epochs=2, verbose=0)
    found = spoilt(network, np.nan).diagnose(X, Y, cures=False).illnesses
    assert found[0].symptom == "not_finite"


def test_minibatches_are_those_of_the_last_fit():
    network = regression(optimizer=SLOW)
    for _ in range(7):
        network.fit(X, Y, batch_size=20, verbose=0)
    suggestion = network.diagnose(X, Y, cures=False).findings[0].suggestions[0]
    assert suggestion.recipe.fitting["batch_size"] == 20


def test_lines_keep_lengths_open_times_names_and_orders():
    ids, lengths = rng.integers(1, 10, (60, 7)), rng.integers(1, 8, 60)
    words = model([Embedding(10, 4), LSTM(4), Dense(1)], (None,), optimizer=SLOW)
    named = model([Dense(5, "tanh", name="dense7"), Dense(1)], optimizer=SLOW, frozen=["dense7"])
    carried = model([LSTM(4, stateful=True), Dense(1)], (None, 3), optimizer=SLOW)
    carried.fit(SEQUENCES, Y, shuffle=False, batch_size=20, verbose=0)
    for network, given in (
        (words, (ids, Y, lengths)),
        (named, (X, Y)),
        (carried, (SEQUENCES, Y)),
    ):
        suggestion = network.diagnose(*given, cures=False).findings[0].suggestions[0]
        names = dict(zip(("x", "y", "lengths"), given, strict=False))
        exec(suggestion.code(), names)
        assert names["model"].step > 0
        assert ("lengths=lengths" in suggestion.code()) == (len(given) == 3)
