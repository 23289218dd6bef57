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


def by_rows(y, h):
    return (h**2).mean(axis=1), 2 * h / h.shape[1]


OWN = {
    "wider than the outputs": rng.normal(size=(60, 5)),
    "ids": rng.integers(9, size=(60, 2)),
    "strings": np.array(["a", "b"] * 30),
    "objects": np.array([[1], [2, 3]] * 30, dtype=object),
    "dates": np.arange(60).astype("datetime64[D]"),
}


@pytest.mark.parametrize("name", OWN)
def test_targets_that_only_a_loss_of_ones_own_understands(name):
    network = model([Dense(8, "tanh"), Dense(3)], loss=vg.losses.Custom(by_rows))
    found = network.diagnose(X, OWN[name], seconds=1)
    assert found.outcome is None
    assert str(found)


def test_something_must_count():
    network = model([Dense(5, "relu"), Dense(3, "softmax")], 4, CLASSES, ignore_index=0)
    with pytest.raises(ValueError, match="y: expected at least one target that counts"):
        network.diagnose(X, np.zeros(60, int))
    sequences = model([RNN(4, return_sequences=True), Dense(1)], (None, 3))
    y = np.zeros((60, 7, 1), np.float32)
    with pytest.raises(ValueError, match="y: expected at least one target that counts"):
        sequences.diagnose(SEQUENCES, y, np.zeros(60, int))


def test_a_rare_class_is_held_out_too():
    x = rng.normal(size=(200, 8)).astype(np.float32)
    y = (np.arange(200) < 3).astype(int)
    outcome = (
        model([Dense(8, "tanh"), Dense(2, "softmax")], 8, CLASSES)
        .diagnose(x, y, cures=False)
        .outcome
    )
    assert outcome.score < 0.9
    assert outcome.chance == 0.5


def test_ignored_labels_of_few_bits():
    y = np.where(np.arange(60) % 2, LABELS, 255)
    network = model([Dense(5, "relu"), Dense(3, "softmax")], 4, CLASSES, ignore_index=255)
    one, other = (
        network.diagnose(X, y.astype(dtype), cures=False).outcome for dtype in (np.uint8, int)
    )
    assert one == other


def test_images_whose_targets_are_images():
    images = rng.normal(size=(40, 1, 8, 8)).astype(np.float32)
    masks = np.zeros_like(images)
    np.put_along_axis(masks, images.argmax(-1)[..., np.newaxis], 1, -1)
    network = model(
        [vg.Conv2d(4, 3, "relu", padding=1), vg.Conv2d(1, 3, "sigmoid", padding=1)],
        (1, 8, 8), "binary_crossentropy",
    )  # fmt: skip
    assert network.diagnose(images, masks, cures=False).outcome.chance == 0.5
    far = model([vg.Conv2d(1, 1, "sigmoid")], (1, 8, 8)).diagnose(images, 100 * images, cures=False)
    assert far.illnesses[0].symptom == "targets_out_of_range"


def test_batch_norm_and_the_smallest_minibatches():
    x, y = np.tile(X, (17, 1))[:1000], np.tile(LABELS, 17)[:1000]
    network = model([Dense(8), BatchNorm("sigmoid"), Dense(3, "softmax")], 4, CLASSES)
    network.fit(x, y, batch_size=2, verbose=0)
    assert str(network.diagnose(x, y, seconds=1))


def test_logarithms_of_rates_are_no_rates():
    x = rng.normal(size=(1000, 5)).astype(np.float32)
    y = rng.poisson(np.exp(0.5 * x[:, :1] + 1)).astype(np.float32)
    network = model([Dense(32, "relu"), Dense(1)], 5, "poisson", vg.Adam(3e-3))
    network.fit(x, y, epochs=30, verbose=0)
    found = network.diagnose(x, y, cures=False)
    assert found.healthy
    assert found.outcome.score > 0.25


def test_constant_targets_are_named():
    found = regression().diagnose(X, np.full((60, 1), 3.0), cures=False)
    assert found.illnesses[0].symptom == "constant_targets"
    assert "not finite" not in found.verdict
