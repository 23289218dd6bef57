"""Random stacks of layers through ONNX and Keras and back: all give the same outputs."""

import numpy as np
import pytest
from keras_on_torch import MARKS, first, keras, last, outputs

import vgcore as vg

pytest.importorskip("onnx")

from onnx_runs import drawn, run, samples

pytestmark = MARKS
assert keras


def of_images(rng):
    stack = [_of_image(rng) for _ in range(rng.integers(1, 5))]
    return [*stack, vg.Flatten(), *_of_vectors(rng), vg.Dense(3)], (4, 9, 8)


def of_sequences(rng):
    stack = [_of_sequence(rng) for _ in range(rng.integers(1, 4))]
    return [*stack, _cell(rng, False), *_of_vectors(rng)], (7, 4)


def _of_image(rng):
    activation = rng.choice(["relu", "tanh", "softplus"])
    window = {"padding": int(rng.integers(2)), "stride": int(rng.integers(1, 3))}
    kinds = [
        vg.Conv2d(4, 3, str(activation), **window), vg.BatchNorm("relu"), vg.GroupNorm(2), vg.LayerNorm(),
        vg.PReLU(), vg.Dropout(0.2), vg.MaxPool(2, stride=1), vg.AvgPool(2), vg.Activation("silu"),
        vg.InstanceNorm(scale=True),
    ]  # fmt: skip
    return kinds[rng.integers(len(kinds))]


def _cell(rng, whole):
    kinds = [
        vg.LSTM(4, return_sequences=whole, use_bias=bool(rng.integers(2)), num_layers=2),
        vg.GRU(4, return_sequences=whole, reset_after=bool(rng.integers(2))),
        vg.Bidirectional(vg.RNN(2, return_sequences=whole)),
    ]
    return kinds[rng.integers(len(kinds))]


def _of_sequence(rng):
    kinds = [
        _cell(rng, True), vg.Conv1d(4, 3, "relu", padding="same"), vg.Dense(4, "tanh"), vg.BatchNorm(),
        vg.LayerNorm("relu"), vg.RMSNorm(), vg.GroupNorm(2), vg.PReLU(),
    ]  # fmt: skip
    return kinds[rng.integers(len(kinds))]


def _of_vectors(rng):
    kinds = [vg.Dense(4, "gelu"), vg.BatchNorm(), vg.LayerNorm(), vg.PReLU(), vg.RMSNorm("relu")]
    return [kinds[place] for place in rng.permutation(len(kinds))[: rng.integers(3)]]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("make", [of_images, of_sequences])
def test_there_and_back(make, seed, tmp_path):
    layers, shape = make(np.random.default_rng(seed))
    model = drawn(layers, shape)
    x = samples(shape)
    expected = model.predict(x)
    close = 2e-5 * max(1, np.abs(expected).max())
    vg.exchange.to_onnx(model, tmp_path / "model.onnx")
    written = vg.exchange.to_keras(model)
    for found in (
        run(tmp_path / "model.onnx", x),
        vg.exchange.from_onnx(tmp_path / "model.onnx").predict(x),
        first(outputs(written, last(x))),
        vg.exchange.from_keras(written).predict(x),
    ):
        np.testing.assert_allclose(found, expected, atol=close)
