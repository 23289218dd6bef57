"""Models of Keras as vgcore's: equal outputs and gradients, and what is refused."""

import numpy as np
import pytest
from keras_on_torch import MARKS, built, double, draw, first, keras, last, outputs, samples

import vgcore as vg

pytestmark = MARKS
L = keras.layers
CELLS = (L.SimpleRNN, L.LSTM, L.GRU)
ACTIVATIONS = (
    "linear", "sigmoid", "tanh", "relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish",
    "softplus", "softsign", "hard_sigmoid", "hard_silu", "softmax",
)  # fmt: skip
assert double

IMAGE, SEQUENCE, VECTOR = (9, 8, 4), (None, 4), (5,)
CASES = {
    "Dense": (lambda: [L.Dense(4, "relu"), L.Dense(3, use_bias=False)], VECTOR),
    "Dense at timesteps": (lambda: [L.Dense(3, "tanh"), L.TimeDistributed(L.Dense(2))], SEQUENCE),
    **{f"Dense {a}": (lambda a=a: [L.Dense(4, a), L.Activation(a)], VECTOR) for a in ACTIVATIONS},
    "Softmax": (lambda: [L.Dense(4), L.Softmax()], VECTOR),
    "ReLU": (lambda: [L.ReLU(), L.Dense(9), L.ReLU(negative_slope=0.3), L.Dense(9), L.ReLU(6)], VECTOR),
    "LeakyReLU": (lambda: [L.LeakyReLU(0.2), L.Dense(9, L.LeakyReLU(0.1)), L.ELU(0.7)], VECTOR),
    "Conv2D": (lambda: [L.Conv2D(6, (3, 2), strides=(2, 1), activation="tanh")], IMAGE),
    "Conv2D same": (lambda: [L.Conv2D(6, (4, 3), padding="same", dilation_rate=(1, 2))], IMAGE),
    "Conv2D same stride": (lambda: [L.Conv2D(6, 3, 2, padding="same")], (9, 7, 4)),
    "Conv2D groups": (lambda: [L.Conv2D(6, 3, groups=2, use_bias=False)], IMAGE),
    "Conv2D softmax": (lambda: [L.Conv2D(6, 3, activation="softmax")], IMAGE),
    "Conv1D": (lambda: [L.Conv1D(5, 3, strides=2, activation="relu")], (9, 4)),
    "Conv1D dilated": (lambda: [L.Conv1D(6, 3, padding="same", dilation_rate=2, groups=2)], (9, 4)),
    "ZeroPadding": (lambda: [L.ZeroPadding2D((2, 1)), L.Conv2D(5, 3, 2)], IMAGE),
    "ZeroPadding1D": (lambda: [L.ZeroPadding1D(1), L.Conv1D(5, 3)], (9, 4)),
    "MaxPooling2D": (lambda: [L.MaxPooling2D((2, 3), (1, 2))], IMAGE),
    "MaxPooling2D same": (lambda: [L.MaxPooling2D(3, 2, padding="same")], (9, 7, 4)),
    "MaxPooling1D": (lambda: [L.MaxPooling1D(3, 1, padding="same")], (9, 4)),
    "AveragePooling2D": (lambda: [L.AveragePooling2D((2, 3), (1, 2))], IMAGE),
    "AveragePooling2D same": (lambda: [L.AveragePooling2D(3, 1, padding="same")], IMAGE),
    "AveragePooling1D": (lambda: [L.ZeroPadding1D(1), L.AveragePooling1D(3, 2)], (9, 4)),
    "GlobalAveragePooling2D": (lambda: [L.GlobalAveragePooling2D()], IMAGE),
    "GlobalMaxPooling2D": (lambda: [L.GlobalMaxPooling2D()], IMAGE),
    "GlobalAveragePooling1D": (lambda: [L.GlobalAveragePooling1D()], (9, 4)),
    "GlobalMaxPooling1D": (lambda: [L.GlobalMaxPooling1D()], (9, 4)),
    "Flatten": (lambda: [L.Flatten(), L.Dense(3)], IMAGE),
    "Flatten of sequences": (lambda: [L.Flatten(), L.Dense(3)], (9, 4)),
    "Flatten of sequences, channels first": (
        lambda: [L.Flatten(data_format="channels_first"), L.Dense(3)],
        (9, 4),
    ),
    "Permute and Flatten": (
        lambda: [L.Conv1D(5, 3), L.Permute((2, 1)), L.Flatten(), L.LayerNormalization(), L.Dense(3)],
        (9, 4),
    ),
    "Flatten, by feature": (
        lambda: [L.Flatten(), L.LayerNormalization(), L.PReLU(), L.RMSNormalization(), L.Dense(3)],
        IMAGE,
    ),
    "Reshape": (lambda: [L.Dense(12), L.Reshape((4, 3)), L.Flatten(), L.Reshape((-1, 6))], VECTOR),
    "Reshape to images of one channel": (lambda: [L.Reshape((5, 6, 1)), L.Conv2D(2, 3)], (30,)),
    "Reshape of pixels": (lambda: [L.Conv2D(6, (9, 8)), L.Reshape((6,)), L.Dense(2)], IMAGE),
    "LayerNormalization": (lambda: [L.LayerNormalization(epsilon=0.1)], IMAGE),
    "LayerNormalization plain": (lambda: [L.LayerNormalization(center=False)], SEQUENCE),
    "RMSNormalization": (lambda: [L.RMSNormalization()], SEQUENCE),
    "GroupNormalization": (lambda: [L.GroupNormalization(2)], IMAGE),
    "GroupNormalization, instances": (lambda: [L.GroupNormalization(-1, scale=False)], (9, 4)),
    "PReLU": (lambda: [L.PReLU(shared_axes=[1, 2])], IMAGE),
    "PReLU of one": (lambda: [L.PReLU(shared_axes=[1])], VECTOR),
    "Identity": (lambda: [L.Identity(), L.Dense(2)], VECTOR),
    **{
        f"{cell.__name__}{more or ''}": (
            lambda cell=cell, more=more: [cell(4, return_sequences=True, **more), cell(3, **more)],
            SEQUENCE,
        )
        for cell in CELLS
        for more in ({}, {"use_bias": False}, {"activation": "relu"})
    },
    **{
        f"{cell.__name__} backwards": (lambda cell=cell: [cell(4, go_backwards=True)], SEQUENCE)
        for cell in CELLS
    },
    **{
        f"Bidirectional {cell.__name__}": (
            lambda cell=cell: [
                L.Bidirectional(cell(4, return_sequences=True)),
                L.Bidirectional(cell(3)),
            ],
            SEQUENCE,
        )
        for cell in CELLS
    },
    "LSTM hard": (
        lambda: [L.LSTM(4, recurrent_activation="hard_sigmoid", unit_forget_bias=False)],
        SEQUENCE,
    ),
    "GRU reset before": (lambda: [L.GRU(4, reset_after=False)], SEQUENCE),
    "GRU of both kinds": (
        lambda: [L.Bidirectional(L.GRU(4, reset_after=False, recurrent_activation="tanh"))],
        SEQUENCE,
    ),
}  # fmt: skip


def check(model, converted, x, slope):
    """Outputs, and dL/dx of the sum of squares, of a model that is the same while training.

    ``slope``: to what share gradients agree; PyTorch's slope of hard_sigmoid is 1/6 in single precision.
    """
    import torch

    assert converted.dtype == "float64"
    tensor = torch.tensor(x, requires_grad=True)
    theirs = model(tensor, training=True)
    np.testing.assert_allclose(
        last(converted.predict(first(x))), theirs.detach(), atol=1e-12, rtol=1e-12
    )
    (0.5 * (theirs**2).sum() / len(x)).backward()
    target = np.zeros_like(first(theirs.detach().numpy()))
    converted.compile(
        vg.losses.Custom(lambda y, h: (0.5 * (h**2).reshape(len(h), -1).sum(1), h)), "sgd"
    )
    inputs = converted.gradients(first(x), target, wrt_inputs=True)[2]
    np.testing.assert_allclose(last(inputs.x), tensor.grad, atol=slope, rtol=slope)


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients(case, double):
    layers, shape = CASES[case]
    model = built(layers(), shape)
    converted = vg.exchange.from_keras(model)
    check(model, converted, samples(shape), 1e-7 if "hard" in case else 1e-12)


def test_names_stay():
    model = built(
        [L.Dense(3, name="first"), L.Conv1D(2, 2, name="b", activation="softmax")], (5, 4)
    )
    names = [layer.name for layer in vg.exchange.from_keras(model).layers]
    assert names == ["first", "b", "b_softmax"]


def test_what_differs_while_training_predicts_the_same(double):
    layers = [
        L.Conv2D(4, 3), L.BatchNormalization(momentum=0.9, epsilon=0.01), L.SpatialDropout2D(0.2),
        L.Dropout(0.3, noise_shape=(None, 1, 1, 4)), L.GaussianNoise(0.1), L.AlphaDropout(0.1),
        L.Flatten(), L.BatchNormalization(center=False), L.Dropout(0.25), L.Dense(2),
    ]  # fmt: skip
    model = built(layers, IMAGE)
    converted = vg.exchange.from_keras(model)
    x = samples(IMAGE)
    np.testing.assert_allclose(converted.predict(first(x)), outputs(model, x), atol=1e-12)
    by = {type(each).__name__: each for each in converted.layers[:6]}
    assert by["BatchNorm"].momentum == 0.1
    assert by["BatchNorm"].epsilon == 0.01
    assert [each.across_time for each in converted.layers if isinstance(each, vg.Dropout)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert converted.layers[-2].rate == 0.25


def test_dropout_of_recurrent_layers(double):
    model = built([L.LSTM(4, dropout=0.2, recurrent_dropout=0.3, name="cells")], SEQUENCE)
    converted = vg.exchange.from_keras(model)
    assert repr(converted.layers[0]) == "Dropout(0.2, across_time=True, name='cells_dropout')"
    assert converted.layers[1].recurrent_dropout == 0.3
    x = samples(SEQUENCE)
    np.testing.assert_allclose(converted.predict(x), outputs(model, x), atol=1e-12)


def test_embedding(double):
    model = built([L.Embedding(5, 3), L.GRU(4)], (None,), integers=True)
    x = samples((None,), integers=True)
    np.testing.assert_allclose(
        vg.exchange.from_keras(model).predict(x), outputs(model, x), atol=1e-12
    )


def test_channels_first(double):
    layers = [
        L.Conv2D(4, 3, data_format="channels_first"),
        L.BatchNormalization(axis=1),
        L.MaxPooling2D(data_format="channels_first"),
        L.GroupNormalization(2, axis=1),
        L.Flatten(data_format="channels_first"),
        L.Dense(2),
    ]
    model = built(layers, (3, 9, 8))
    x = samples((3, 9, 8))
    np.testing.assert_allclose(
        vg.exchange.from_keras(model).predict(x), outputs(model, x), atol=1e-12
    )


def test_functional_and_nested_models(double):
    inputs = keras.Input(IMAGE)
    inner = keras.Sequential([keras.Input((7, 6, 5)), L.MaxPooling2D(), L.Flatten()])
    model = keras.Model(inputs, L.Dense(3)(inner(L.Conv2D(5, 3)(inputs))))
    draw(model)
    outer = keras.Sequential([model, L.Dense(2)])
    outer.build((None, *IMAGE))
    x = samples(IMAGE)
    for each in (model, outer):
        np.testing.assert_allclose(
            vg.exchange.from_keras(each).predict(first(x)), outputs(each, x), atol=1e-12
        )


def test_dtype():
    model = built([L.Dense(2)], VECTOR)
    assert vg.exchange.from_keras(model).dtype == "float32"
    assert vg.exchange.from_keras(model, dtype="float64").dtype == "float64"
    half = built([L.Dense(2, dtype="bfloat16")], VECTOR)
    converted = vg.exchange.from_keras(half)
    assert converted.dtype == "float32"
    np.testing.assert_array_equal(
        converted.layers[0].weight.T, np.asarray(half.layers[0].kernel.numpy(), "float32")
    )


class Own(L.Dense):
    """A layer of the user's own."""


def other_direction():
    return L.Bidirectional(
        L.LSTM(3), backward_layer=L.LSTM(3, activation="relu", go_backwards=True)
    )


REFUSED = {
    "Lambda": (lambda: L.Lambda(lambda x: x, name="own"), VECTOR, r"^own \(Lambda\): .*counterpart"),
    "Own": (lambda: Own(3, name="own"), VECTOR, r"^own \(Own\): vgcore has no counterpart"),
    "activation": (lambda: L.Dense(3, "exponential"), VECTOR, "activation exponential"),
    "function": (lambda: L.Dense(3, lambda x: x), VECTOR, "activation <lambda>"),
    "ReLU": (lambda: L.ReLU(threshold=1.0), VECTOR, "threshold"),
    "ReLU of 2": (lambda: L.ReLU(2.0), VECTOR, "not up to 2"),
    "Softmax": (lambda: L.Softmax(axis=1), SEQUENCE, "axis -1, not 1"),
    "Dense of images": (lambda: L.Dense(3), IMAGE, "Conv2D with a kernel of 1"),
    "causal": (lambda: L.Conv1D(3, 2, padding="causal"), (9, 4), "no padding 'causal'"),
    "same": (lambda: L.Conv2D(3, 2, 2, padding="same"), IMAGE, "one more behind than in front"),
    "pool": (lambda: L.MaxPooling2D(2, padding="same"), IMAGE, "one more behind than in front"),
    "keepdims": (lambda: L.GlobalMaxPooling2D(keepdims=True), IMAGE, "keepdims"),
    "Flatten at the end": (lambda: L.Flatten(), IMAGE, "expected a Dense layer behind"),
    "Reshape": (lambda: L.Reshape((9, 32)), IMAGE, "in another order"),
    "axis": (lambda: L.BatchNormalization(axis=1), IMAGE, "not axis 1"),
    "axes": (lambda: L.LayerNormalization(axis=[1, 2, 3]), IMAGE, "normalises features"),
    "noise_shape": (lambda: L.Dropout(0.5, noise_shape=(None, 7, 1)), (7, 4), "noise_shape"),
    "PReLU": (lambda: L.PReLU(), IMAGE, "shared_axes"),
    "backwards": (
        lambda: L.GRU(3, go_backwards=True, return_sequences=True), SEQUENCE, "last timestep first",
    ),
    "merge_mode": (lambda: L.Bidirectional(L.GRU(3), "sum"), SEQUENCE, "merge_mode='sum'"),
    "other direction": (other_direction, SEQUENCE, "activation differ"),
    "cells": (lambda: L.RNN(L.LSTMCell(3)), SEQUENCE, "no counterpart"),
    "Permute": (lambda: L.Permute((1, 2)), (7, 4), r"moves no axes, here \(1, 2\)"),
    "Permute of images": (lambda: L.Permute((3, 1, 2)), IMAGE, "moves no axes"),
    "Permute at the end": (lambda: L.Permute((2, 1)), (7, 4), r"\(Permute\): .*front of a Flatten"),
    "ZeroPadding": (lambda: L.ZeroPadding2D(((1, 0), (0, 0))), IMAGE, "both sides alike"),
    "zeros of a maximum": (
        lambda: keras.Sequential([L.ZeroPadding1D(1), L.MaxPooling1D(2)]), (7, 4), "may be the largest",
    ),
    "ZeroPadding at the end": (lambda: L.ZeroPadding2D(1), IMAGE, r"\(ZeroPadding2D\): .*in front of a Conv"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_named(case):
    layer, shape, message = REFUSED[case]
    model = keras.Sequential([keras.Input(shape), layer()])
    with pytest.raises(NotImplementedError, match=message):
        vg.exchange.from_keras(model)


def test_states_are_no_outputs():
    inputs = keras.Input(SEQUENCE)
    model = keras.Model(inputs, L.Dense(2)(L.LSTM(3, return_state=True, name="cells")(inputs)[0]))
    with pytest.raises(NotImplementedError, match=r"^cells \(LSTM\): .*one output"):
        vg.exchange.from_keras(model)


def test_masks_are_refused():
    model = built([L.Embedding(5, 3, mask_zero=True, name="words")], (None,), integers=True)
    with pytest.raises(NotImplementedError, match=r"^words \(Embedding\): .*lengths="):
        vg.exchange.from_keras(model)


def test_several_inputs_and_models_of_ones_own_are_refused():
    inputs = keras.Input(VECTOR)
    two = keras.Model([inputs, keras.Input((2,))], inputs)
    with pytest.raises(NotImplementedError, match="one input and one output"):
        vg.exchange.from_keras(two)

    class Model(keras.Model):
        def call(self, x):
            return x

    own = Model()
    own(np.ones((1, 3)))
    with pytest.raises(NotImplementedError, match=r"Python of its own"):
        vg.exchange.from_keras(own)


def test_bad_input():
    with pytest.raises(TypeError, match=r"^model: expected a keras\.Sequential .*got int"):
        vg.exchange.from_keras(3)
    with pytest.raises(TypeError, match=r"^model: expected a keras\.Sequential .*got Sequential"):
        vg.exchange.from_keras(vg.Sequential([vg.Dense(2)], input_shape=3))
    with pytest.raises(ValueError, match=r"^model: expected one that is built"):
        vg.exchange.from_keras(keras.Sequential([L.Dense(2)]))
    with pytest.raises(ValueError, match=r"^dtype: expected float32 or float64"):
        vg.exchange.from_keras(built([L.Dense(2)], VECTOR), dtype="float16")
