"""vgcore's models in Keras: equal outputs, there and back again; and what is refused."""

import builtins

import numpy as np
import pytest
from keras_on_torch import MARKS, double, first, keras, last, outputs

import vgcore as vg

pytestmark = MARKS
assert double

IMAGE, SEQUENCE, VECTOR = (4, 9, 8), (None, 4), (5,)
CELLS = (vg.RNN, vg.LSTM, vg.GRU)
CASES = {
    "Dense": ([vg.Dense(4, "relu"), vg.Dense(3, use_bias=False)], VECTOR),
    "activations": (
        [
            vg.Dense(4, vg.leaky_relu(0.3)), vg.Dense(4, vg.elu(0.5)), vg.Activation("hard_swish"),
            vg.Dense(4, "mish"), vg.Activation(vg.leaky_relu(0.1)), vg.PReLU(), vg.PReLU(shared=True),
            vg.Dense(3, "softmax"),
        ],
        VECTOR,
    ),
    "Conv2d": ([vg.Conv2d(6, 3, vg.elu(2.0), stride=2, padding=(1, 0), groups=2)], IMAGE),
    "Conv2d same": ([vg.Conv2d(6, (4, 3), "relu", padding="same", dilation=(2, 1))], IMAGE),
    "Conv1d": ([vg.Conv1d(5, 3, "tanh", padding=2), vg.Conv1d(5, 3, padding="same")], (9, 4)),
    "pools": (
        [
            vg.MaxPool(3, stride=1, padding=1), vg.AvgPool(2, padding=1), vg.MaxPool((2, 1)),
            vg.AvgPool(3, stride=1, padding=1, count_include_pad=False), vg.GlobalAvgPool(),
        ],
        IMAGE,
    ),
    "pool behind ReLU": ([vg.BatchNorm("relu"), vg.MaxPool(3, stride=2, padding=1)], (4, 10, 8)),
    "pools of sequences": ([vg.MaxPool(2), vg.AvgPool(2, padding=1), vg.GlobalMaxPool()], (12, 4)),
    "Flatten": (
        [
            vg.Conv2d(3, 3), vg.Flatten(), vg.LayerNorm("tanh"), vg.PReLU(), vg.BatchNorm(scale=False),
            vg.RMSNorm(), vg.GroupNorm(1), vg.Dropout(0.5), vg.Dense(3),
        ],
        IMAGE,
    ),
    "Flatten, channels first": (
        [vg.Conv1d(5, 3), vg.Flatten(channels_first=True), vg.LayerNorm("tanh"), vg.Dense(3)], (9, 4),
    ),
    "Reshape": ([vg.Dense(30), vg.Reshape((1, 5, 6)), vg.Conv2d(2, 3), vg.PReLU()], VECTOR),
    "norms": (
        [
            vg.BatchNorm("relu", momentum=0.2, epsilon=0.01), vg.GroupNorm(2), vg.InstanceNorm(),
            vg.InstanceNorm(scale=True, shift=True), vg.LayerNorm(), vg.RMSNorm(epsilon=0.1),
        ],
        IMAGE,
    ),
    "norms of sequences": ([vg.BatchNorm(), vg.GroupNorm(2), vg.RMSNorm(), vg.LayerNorm()], (9, 4)),
    "while training": (
        [
            vg.Dropout(0.2, across_time=True), vg.AlphaDropout(0.1), vg.GaussianNoise(0.3),
            vg.AlphaDropout(0.1, across_time=True), vg.Dropout(0.1),
        ],
        IMAGE,
    ),
    **{
        f"{cell.__name__} {more}": ([cell(5, "tanh", return_sequences=True, **more), cell(3)], SEQUENCE)
        for cell in CELLS
        for more in ({}, {"use_bias": False}, {"num_layers": 3, "dropout": 0.1})
    },
    **{
        f"Bidirectional {cell.__name__} {more}": ([vg.Bidirectional(cell(4, **more))], SEQUENCE)
        for cell in CELLS
        for more in ({}, {"return_sequences": True}, {"num_layers": 2, "recurrent_dropout": 0.2})
    },
    **{f"{cell.__name__} backwards": ([cell(4, go_backwards=True)], SEQUENCE) for cell in CELLS},
    "GRU reset before": ([vg.GRU(4, reset_after=False, recurrent_activation="hard_sigmoid")], SEQUENCE),
}  # fmt: skip


def drawn(layers, shape, dtype="float64"):
    """A model whose parameters are all drawn, biases and statistics too."""
    model = vg.Sequential([each.copy() for each in layers], input_shape=shape, dtype=dtype, seed=0)
    rng = np.random.default_rng(1)
    state = {name: rng.normal(0, 0.5, each.shape) for name, each in model.state_dict().items()}
    model.load_state_dict(
        {
            name: np.abs(each) + 0.5 if "running_var" in name else each
            for name, each in state.items()
        }
    )
    return model


@pytest.mark.parametrize("case", CASES)
def test_there_and_back(case, double):
    layers, shape = CASES[case]
    model = drawn(layers, shape)
    written = vg.exchange.to_keras(model)
    x = np.random.default_rng(2).normal(size=(4, *(size or 7 for size in shape)))
    expected = model.predict(x)
    theirs = outputs(written, last(x))
    assert theirs.dtype == "float64"
    np.testing.assert_allclose(first(theirs), expected, atol=1e-12, rtol=1e-12)
    again = vg.exchange.from_keras(written)
    np.testing.assert_allclose(again.predict(x), expected, atol=1e-13, rtol=1e-13)


def test_options_come_along():
    layers = [
        vg.BatchNorm(momentum=0.2, epsilon=0.01),
        vg.Dropout(0.25),
        vg.LSTM(3, recurrent_dropout=0.1),
    ]
    written = vg.exchange.to_keras(drawn(layers, (9, 4), "float32"))
    norm, drop, cells = written.layers
    assert (norm.momentum, norm.epsilon, drop.rate, cells.recurrent_dropout) == (
        0.8,
        0.01,
        0.25,
        0.1,
    )
    assert [each.name for each in written.layers] == ["batchnorm1", "dropout1", "lstm1"]
    assert {each.dtype for each in written.weights if "seed" not in each.name} == {"float32"}


def test_embedding(double):
    model = drawn([vg.Embedding(5, 3), vg.GRU(4)], (None,))
    x = np.random.default_rng(0).integers(0, 5, (3, 6))
    written = vg.exchange.to_keras(model)
    np.testing.assert_allclose(outputs(written, x), model.predict(x), atol=1e-12)


def test_it_trains_and_is_saved_by_keras(tmp_path):
    model = drawn(
        [vg.Conv2d(3, 3, "relu"), vg.Flatten(), vg.Dense(2, "softmax")], (1, 6, 6), "float32"
    )
    written = vg.exchange.to_keras(model)
    written.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(8, 1, 6, 6)).astype("float32")
    np.testing.assert_allclose(outputs(again, last(x)), model.predict(x), atol=1e-6)
    again.compile("sgd", "sparse_categorical_crossentropy")
    again.fit(last(x), np.arange(8) % 2, verbose=0)
    np.testing.assert_allclose(
        vg.exchange.from_keras(again).predict(x), outputs(again, last(x)), atol=1e-6
    )


REFUSED = {
    "Highway": ([vg.Highway()], VECTOR, r"^highway1 \(Highway\): in Keras it has no counterpart"),
    "snake": ([vg.Dense(3, "snake")], VECTOR, r"^dense1 \(Dense\): in Keras .*snake"),
    "formula": ([vg.Activation(vg.activations.formula("z * z"))], VECTOR, "formula"),
    "cell": ([vg.LSTM(3, vg.leaky_relu(0.1))], SEQUENCE, "leaky_relu"),
    "peepholes": ([vg.LSTM(3, peepholes=True)], SEQUENCE, "peepholes=True"),
    "omega": ([vg.RNN(3, omega=0.5)], SEQUENCE, "omega=0.5"),
    "learned": ([vg.GRU(3, initial_state="learned")], SEQUENCE, "initial_state='learned'"),
    "stateful": ([vg.GRU(3, stateful=True)], SEQUENCE, "stateful=True"),
    "backwards": ([vg.GRU(3, go_backwards=True, return_sequences=True)], SEQUENCE, "last timestep"),
    "max": ([vg.MaxPool(4, padding=1)], IMAGE, "padded as 'same'"),
    "dilation": ([vg.MaxPool(2, dilation=2)], IMAGE, "no dilation"),
    "RMSNorm": ([vg.RMSNorm(scale=False)], VECTOR, "always has a weight"),
    "padding_idx": ([vg.Embedding(4, 2, padding_idx=0)], (None,), "padding_idx"),
    "Flatten": ([vg.Flatten()], IMAGE, "expected a Dense layer behind"),
    "Reshape": ([vg.Reshape((8, 36))], IMAGE, "another order"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_named(case):
    layers, shape, message = REFUSED[case]
    with pytest.raises(NotImplementedError, match=message):
        vg.exchange.to_keras(drawn(layers, shape))


def test_bad_input(monkeypatch):
    with pytest.raises(TypeError, match=r"^model: expected a vgcore\.Sequential, got int"):
        vg.exchange.to_keras(3)
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name == "keras":
            raise ModuleNotFoundError(name, name=name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"^to_keras needs keras: pip install keras"):
        vg.exchange.to_keras(drawn([vg.Dense(2)], VECTOR))
