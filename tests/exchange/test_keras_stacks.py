"""Random stacks with blocks in each other, of Keras's layers and of vgcore's: the same both ways."""

import numpy as np
import pytest
from keras_on_torch import MARKS, double, draw, first, keras, last, samples
from keras_twins import check

import vgcore as vg

pytestmark = MARKS
L = keras.layers
assert double
SHAPES = {"images": (7, 6, 4), "sequences": (7, 4), "vectors": (4,)}


class Grown:
    """A functional model that grows at random from its input."""

    def __init__(self, kind, seed, form):
        self.rng = np.random.default_rng(seed)
        self.kind, self.form = kind, form
        shape = SHAPES[kind]
        self.axis = -1 if form == "channels_last" else 1
        self.shape = shape if self.axis == -1 else (shape[-1], *shape[:-1])
        inputs = keras.Input(self.shape)
        value = inputs
        for _ in range(3):
            value = self.block(value, 2)
        if kind == "images":
            value = L.Dense(3)(L.Flatten(data_format=form)(value))
        self.model = keras.Model(inputs, value)
        draw(self.model, seed)

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def block(self, value, depth):
        if depth == 0:
            return self.layer(value)
        kind = self.pick("layer", "skip", "skip", "projection", "sum", "concat", "model")
        if kind == "layer":
            return self.layer(value)
        if kind == "model":
            inputs = keras.Input(value.shape[1:])
            return keras.Model(inputs, self.block(inputs, depth - 1))(value)
        count = self.pick(2, 3) if kind in ("sum", "concat") else 1
        ways = [self.block(self.block(value, depth - 1), depth - 1) for _ in range(count)]
        if kind == "concat":
            joined = L.Concatenate(axis=self.axis)([*ways, value] if self.pick(0, 1) else ways)
            return self.sized(joined, 4)
        width = value.shape[self.axis]
        ways = [self.sized(way, width) for way in ways]
        if kind == "skip":
            joined = ways[0] + value if self.pick(0, 1) else L.Add()([value, ways[0]])
        elif kind == "projection":
            joined = L.Add()([L.BatchNormalization(self.axis)(self.sized(value, width)), *ways])
        else:
            joined = L.Add()(ways)
        return self.pick(L.Activation("tanh"), L.LeakyReLU(0.2), L.Identity())(joined)

    def sized(self, value, width):
        """So many features."""
        if self.kind == "images":
            return L.Conv2D(width, 1, data_format=self.form)(value)
        return L.Dense(width)(value)

    def layer(self, value):
        layers = [
            L.BatchNormalization(self.axis), self.grouped(), L.Activation("softplus"),
            L.PReLU(shared_axes=self.places()),
        ]  # fmt: skip
        if self.axis == -1:  # Keras fails on PyTorch with another
            layers.append(L.LayerNormalization())
        width = self.pick(2, 4)
        if self.kind == "images":
            conv = {"padding": "same", "data_format": self.form}
            layers += [
                L.Conv2D(width, 3, activation="tanh", **conv), L.Conv2D(width, (1, 3), **conv),
                L.AveragePooling2D(3, 1, **conv),
            ]  # fmt: skip
            layer = self.pick(*layers)
            if type(layer).__name__ == "Conv2D" and layer.kernel_size == (3, 3):
                layer.padding = "valid"
                value = L.ZeroPadding2D(1, data_format=self.form)(value)
            return layer(value)
        layers.append(L.Dense(width, "gelu"))
        if self.kind == "sequences":
            layers += [
                L.Conv1D(width, 3, padding="same"), L.GRU(width, return_sequences=True),
                L.Bidirectional(L.LSTM(2, return_sequences=True)),
            ]  # fmt: skip
        return self.pick(*layers)(value)

    def grouped(self):
        return L.GroupNormalization(1 if self.kind == "vectors" else 2, self.axis)

    def places(self):
        axes = [*range(1, len(self.shape) + 1)]
        axes.pop(self.axis if self.axis == -1 else 0)
        return axes or None


KINDS = [
    ("images", "channels_last"), ("images", "channels_first"), ("sequences", "channels_last"),
    ("vectors", "channels_last"),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("kind", "form"), KINDS)
def test_from_keras_and_back(kind, form, seed, double):
    grown = Grown(kind, seed, form)
    moved = form == "channels_last"
    x = samples(grown.shape, rows=16)  # norms of few are ill-conditioned
    model = vg.exchange.from_keras(grown.model)
    check(grown.model, model, x, moved=moved)
    written = vg.exchange.to_keras(model)
    check(written, model, x if moved else last(x))
    rows = first(x) if moved else x
    again = vg.exchange.from_keras(written)
    np.testing.assert_allclose(again.predict(rows), model.predict(rows), rtol=1e-12, atol=1e-12)


def stack(rng, kind, depth):
    """Layers of vgcore that keep 4 features."""
    made = []
    for _ in range(rng.integers(1, 4)):
        which = rng.integers(4) if depth else 3
        if which == 0:
            skip = [_wide(kind)] if rng.integers(2) else []
            activation = [None, "relu", vg.elu(0.5)][rng.integers(3)]
            made.append(
                vg.Residual(stack(rng, kind, depth - 1), shortcut=skip, activation=activation)
            )
        elif which == 1:
            ways = [stack(rng, kind, depth - 1) for _ in range(rng.integers(2, 4))]
            made.append(vg.Parallel([*ways, vg.Activation("identity")]))
        elif which == 2:
            ways = [stack(rng, kind, depth - 1), vg.Activation("identity")]
            made += [vg.Parallel(ways, merge="concat"), _wide(kind)]
        else:
            made.append(_layer(rng, kind))
    return made


def _wide(kind):
    return vg.Conv2d(4, 1) if kind == "images" else vg.Dense(4)


def _layer(rng, kind):
    layers = [
        vg.BatchNorm("relu"), vg.LayerNorm(), vg.PReLU(), vg.Activation(vg.leaky_relu(0.1)), vg.RMSNorm(),
        vg.GroupNorm(1 if kind == "vectors" else 2, "tanh"),  # of two numbers it is a sign
    ]  # fmt: skip
    if kind == "images":
        layers += [
            vg.Conv2d(4, 3, "relu", padding=1), vg.MaxPool(3, stride=1, padding=1),
            vg.AvgPool(3, stride=1, padding=1), vg.Conv2d(4, 3, "mish", padding="same", dilation=2),
        ]  # fmt: skip
    elif kind == "sequences":
        layers += [
            vg.Conv1d(4, 3, padding="same"), vg.LSTM(4, return_sequences=True), vg.Dense(4, "silu"),
            vg.Bidirectional(vg.GRU(2, return_sequences=True)),
        ]  # fmt: skip
    else:
        layers += [vg.Dense(4, "silu"), vg.Dense(4, "softmax")]
    return layers[rng.integers(len(layers))]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", SHAPES)
def test_to_keras_and_back(kind, seed, double):
    rng = np.random.default_rng(seed)
    layers = [*stack(rng, kind, 2), *stack(rng, kind, 1)]
    if kind == "images":
        flat = [vg.Flatten(), vg.LayerNorm(), vg.Residual([vg.LayerNorm("tanh"), vg.PReLU()])]
        layers += [*flat, vg.Dense(3)]
    if kind == "sequences" and seed % 2:
        layers += [vg.Flatten(channels_first=True), vg.Dense(3)]
    shape = SHAPES[kind]
    shape = (shape[-1], *shape[:-1]) if kind == "images" else shape
    model = vg.Sequential(layers, input_shape=shape, dtype="float64", seed=seed)
    state = {name: rng.normal(0, 0.5, each.shape) for name, each in model.state_dict().items()}
    model.load_state_dict(
        {
            name: np.abs(each) + 0.5 if "running_var" in name else each
            for name, each in state.items()
        }
    )
    x = last(samples(shape, rows=16))
    written = vg.exchange.to_keras(model)
    check(written, model, x)
    check(written, vg.exchange.from_keras(written), x)
