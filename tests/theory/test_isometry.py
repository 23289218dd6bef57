"""Jacobians of outputs by inputs: explicit products, central differences of every layer, closed forms."""

import math

import numpy as np
import pytest

import vgcore as vg


def moved(model, seed=1):
    """The model with all parameters away from where they start, statistics of norms too."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, value in model.state_dict().items():
        draw = rng.normal(size=value.shape)
        state[name] = np.exp(draw) if name.endswith("running_var") else value + 0.3 * draw
    model.load_state_dict(state)
    return model


def made(layers, input_shape, dtype="float64"):
    return moved(vg.Sequential(layers, input_shape=input_shape, dtype=dtype, seed=0))


def differences(model, x):
    """(n, outputs, inputs) by central differences of predictions, one sample at a time."""
    small, found = 1e-6, []
    for sample in x:
        columns = []
        for unit in np.eye(sample.size):
            step = small * unit.reshape(sample.shape)
            ahead, behind = model.predict(np.stack([sample + step, sample - step]))
            columns.append((ahead - behind).ravel() / (2 * small))
        found.append(np.stack(columns, axis=1))
    return np.array(found)


def data(*shape, n=3):
    return np.random.default_rng(2).normal(size=(n, *shape))


NETWORKS = {
    "dense": lambda: ([vg.Dense(5, "tanh"), vg.Dense(4)], (6,)),
    "softmax": lambda: ([vg.Dense(5, "sigmoid"), vg.Dense(4, "softmax")], (6,)),
    "batch norm": lambda: (
        [vg.Dense(5), vg.BatchNorm("tanh"), vg.Dense(4), vg.BatchNorm(scale=False)],
        (6,),
    ),
    "norms": lambda: ([vg.LayerNorm(), vg.Dense(6, "elu"), vg.RMSNorm("tanh"), vg.Dense(4)], (6,)),
    "dropout": lambda: (
        [vg.Dense(6, "selu"), vg.AlphaDropout(0.5), vg.Dense(4), vg.Dropout(0.5)],
        (6,),
    ),
    "noise": lambda: ([vg.GaussianNoise(2.0), vg.Dense(6), vg.Activation("silu")], (6,)),
    "highway": lambda: ([vg.Highway("tanh"), vg.PReLU(), vg.Dense(4)], (6,)),
    "formula": lambda: ([vg.Dense(5, vg.activations.formula("sin(z)")), vg.Dense(3)], (6,)),
    "blocks": lambda: (
        [
            vg.Residual([vg.BatchNorm("tanh"), vg.Dropout(0.3), vg.Dense(6)]),
            vg.Parallel([[vg.Dense(2, "tanh")], [vg.Dense(3)]], merge="concat"),
        ],
        (6,),
    ),
    "images": lambda: (
        [
            vg.Conv2d(3, 3, "tanh", padding=1),
            vg.BatchNorm("elu"),
            vg.Dropout(0.5, across_time=True),
            vg.AvgPool(2),
            vg.GroupNorm(3),
            vg.Conv2d(4, 2),
        ],
        (2, 6, 6),
    ),
    "a class of images": lambda: (
        [vg.Conv2d(3, 3, "softplus"), vg.MaxPool(2), vg.Flatten(), vg.Dense(3)],
        (2, 6, 6),
    ),
    "sequences": lambda: (
        [
            vg.LSTM(4, return_sequences=True, num_layers=2, dropout=0.4, recurrent_dropout=0.5),
            vg.BatchNorm(),
            vg.Bidirectional(vg.GRU(3, return_sequences=True)),
            vg.Dense(2),
        ],
        (None, 3),
    ),
    "a class of sequences": lambda: ([vg.Bidirectional(vg.RNN(4)), vg.Dense(3)], (None, 3)),
    "a convolution in time": lambda: (
        [vg.Conv1d(3, 2, "tanh"), vg.LSTM(4), vg.Dense(2)],
        (5, 3),
    ),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_derivatives_are_those_of_what_is_predicted(kind):
    layers, shape = NETWORKS[kind]()
    model = made(layers, shape)
    x = data(*(5 if size is None else size for size in shape), n=2)
    found = vg.theory.input_jacobian(model, x)
    np.testing.assert_allclose(found, differences(model, x), rtol=1e-6, atol=1e-7)
    spectra = vg.theory.singular_values(model, x)
    np.testing.assert_allclose(spectra, np.linalg.svd(found, compute_uv=False), rtol=1e-12)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_layers_own_jacobians_multiply_to_the_networks(kind):
    layers, shape = NETWORKS[kind]()
    model = made(layers, shape)
    x = data(*(5 if size is None else size for size in shape), n=2)
    product = np.eye(x[0].size)
    for layer in model.layers:
        product = vg.theory.input_jacobian(model, x, layer.name, alone=True) @ product
        by_inputs = vg.theory.input_jacobian(model, x, layer.name)
        np.testing.assert_allclose(by_inputs, product, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(by_inputs, vg.theory.input_jacobian(model, x))


@pytest.mark.parametrize("kind", ["batch norm", "dropout", "sequences", "images"])
def test_nothing_of_the_model_changes(kind):
    layers, shape = NETWORKS[kind]()
    model = made(layers, shape, "float32")
    model.compile("mse")
    x = data(*(5 if size is None else size for size in shape), n=2)
    loss, gradients = model.gradients(x, model.predict(x) + 1)
    before = model.state_dict()
    twin = made(NETWORKS[kind]()[0], shape)
    twin.load_state_dict(before)
    found = vg.theory.input_jacobian(model, x)
    assert found.dtype == np.float64
    inputs = x.astype(np.float32)
    np.testing.assert_array_equal(found, vg.theory.input_jacobian(twin, inputs))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    again, same = model.gradients(x, model.predict(x) + 1)
    assert again == loss
    for name, value in same.items():
        np.testing.assert_array_equal(value, gradients[name])


def test_many_outputs_in_minibatches(monkeypatch):
    model = made([vg.Dense(7, "tanh"), vg.Dense(30)], 6)
    x = data(6)
    whole = vg.theory.input_jacobian(model, x)
    from vgcore.theory import isometry

    monkeypatch.setattr(isometry, "_NUMBERS", 36 * 4)
    np.testing.assert_allclose(vg.theory.input_jacobian(model, x), whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ["dense", "batch norm", "images", "sequences"])
def test_bits_are_those_of_any_number_of_threads(kind):
    layers, shape = NETWORKS[kind]()
    model = made(layers, shape)
    x = data(*(40 if size is None else size for size in shape), n=2)
    before = vg.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            vg.set_num_threads(threads)
            found.append(vg.theory.input_jacobian(model, x))
    finally:
        vg.set_num_threads(before)
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


# ---- closed forms


def deep(depth, width, activation, weights):
    layers = [vg.Dense(width, activation, use_bias=False) for _ in range(depth)]
    model = vg.Sequential(layers, input_shape=width, dtype="float64")
    for layer in model.layers:
        layer.weight = weights((width, width))
    return model


def orthogonal(gain=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return lambda shape: gain * np.linalg.qr(rng.normal(size=shape))[0]


def gaussian(deviation, seed=0):
    rng = np.random.default_rng(seed)
    return lambda shape: rng.normal(scale=deviation / math.sqrt(shape[1]), size=shape)


def test_of_a_linear_network_they_are_those_of_the_product():
    model = deep(6, 12, "identity", gaussian(1))
    product = np.linalg.multi_dot([layer.weight for layer in reversed(model.layers)])
    x = data(12)
    found = vg.theory.singular_values(model, x)
    for sample in found:
        np.testing.assert_allclose(sample, np.linalg.svd(product, compute_uv=False), atol=1e-13)


def test_a_linear_orthogonal_network_is_an_isometry():
    """Saxe, McClelland and Ganguli 2014."""
    found = vg.theory.singular_values(deep(50, 20, "identity", orthogonal()), data(20))
    np.testing.assert_allclose(found, 1, rtol=1e-12)


def test_what_a_relu_lets_pass_of_an_orthogonal_layer_is_a_projection():
    """Pennington, Schoenholz and Ganguli 2017: relu networks are no isometries, whatever the weights."""
    model, x = deep(1, 40, "relu", orthogonal()), data(40)
    found = vg.theory.singular_values(model, x)
    alive = (model.predict(x) > 0).sum(axis=1)
    for values, count in zip(found, alive, strict=True):
        np.testing.assert_allclose(values, np.arange(40) < count, atol=1e-12)


def test_the_mean_square_of_singular_values_of_gaussian_layers():
    """Sum of squares of n x n elements of variance s^2 / n: s^2 n in the mean, layer by layer."""
    width, deviation = 60, 0.9
    model = deep(3, width, "identity", gaussian(deviation))
    squares = [
        np.mean(vg.theory.singular_values(model, data(width), layer.name) ** 2)
        for layer in model.layers
    ]
    expected = deviation ** (2 * np.arange(1, 4))
    np.testing.assert_allclose(squares, expected, rtol=0.1)


@pytest.mark.parametrize(
    ("bound", "deviation"), [("standard", 1 / math.sqrt(3)), ("normalised", 1)]
)
def test_the_mean_singular_value_of_glorots_layers(bound, deviation):
    """Of a wide square layer at small inputs: 8 / (3 pi) times its deviation, the mean of a quarter circle.

    About 0.5 and 0.8 are what Glorot and Bengio 2010 (section 4.2.1) report of tanh layers.
    """
    width, rng = 300, np.random.default_rng(0)
    limit = deviation * math.sqrt(3 / width)
    model = deep(3, width, "tanh", lambda shape: rng.uniform(-limit, limit, shape))
    x = data(width, n=2)
    for layer in model.layers:
        found = vg.theory.singular_values(model, 1e-6 * x, layer.name, alone=True).mean()
        assert found == pytest.approx(8 / (3 * math.pi) * deviation, rel=0.02)
    tanh = vg.theory.singular_values(model, x, model.layers[2].name, alone=True).mean()
    assert {"standard": 0.4 < tanh < 0.5, "normalised": 0.6 < tanh < 0.85}[bound]


def test_tanh_is_nearly_an_isometry_with_orthogonal_weights_alone():
    """Pennington, Schoenholz and Ganguli 2017: at small inputs and gain 1; Gaussian weights spread."""
    x = 0.02 * data(80)
    tight = vg.theory.singular_values(deep(20, 80, "tanh", orthogonal()), x)
    wide = vg.theory.singular_values(deep(20, 80, "tanh", gaussian(1)), x)
    assert tight.min() > 0.9
    assert tight.max() < 1 + 1e-12
    assert wide.max() > 2
    assert wide.min() < 1e-3


def test_weights_that_are_not_numbers_make_values_that_are_none():
    model = deep(2, 4, "tanh", orthogonal())
    weight = model.layers[1].weight.copy()
    weight[1, 2] = np.nan
    model.layers[1].weight = weight
    assert np.isnan(vg.theory.singular_values(model, data(4))).all()
    assert np.isfinite(vg.theory.singular_values(model, data(4), "dense1")).all()


# ---- bad input


def test_what_reads_tokens_has_derivatives_behind_them_alone():
    layers = [vg.Embedding(9, 3), vg.LSTM(4), vg.Dense(2)]
    model = made(layers, (None,))
    tokens = np.random.default_rng(0).integers(9, size=(2, 5))
    found = vg.theory.input_jacobian(model, tokens, "lstm1", alone=True)
    assert found.shape == (2, 4, 15)
    twin = made([vg.LSTM(4)], (None, 3))
    state = model.state_dict()
    twin.load_state_dict({name: state[name] for name in twin.state_dict()})
    embedded = model.layers[0].weight[tokens]
    np.testing.assert_allclose(found, vg.theory.input_jacobian(twin, embedded), rtol=1e-12)
    for options in ({}, {"layer": "dense1"}, {"layer": "embedding1", "alone": True}):
        with pytest.raises(ValueError, match=r"^layer: expected one behind embedding1"):
            vg.theory.input_jacobian(model, tokens, **options)


@pytest.mark.parametrize("call", [vg.theory.input_jacobian, vg.theory.singular_values])
@pytest.mark.parametrize(
    ("options", "error", "fragments"),
    [
        ({"model": np.eye(2)}, TypeError, ["model: ", "Sequential"]),
        ({"x": data(5)}, ValueError, ["x: ", "(n, 6)", "(3, 5)"]),
        ({"x": data(6) * np.inf}, ValueError, ["x: ", "finite"]),
        ({"x": data(6, n=0)}, ValueError, ["x: ", "at least one"]),
        ({"layer": "dense3"}, ValueError, ["layer: ", "dense1, dense2", "did you mean"]),
        ({"layer": 1}, TypeError, ["layer: ", "name", "int"]),
        ({"alone": 1}, TypeError, ["alone: ", "True or False"]),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(call, options, error, fragments):
    given = {"model": made([vg.Dense(4), vg.Dense(2)], 6), "x": data(6), **options}
    with pytest.raises(error) as caught:
        call(**given)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_logits_are_what_a_softmax_is_given():
    x = np.random.default_rng(4).standard_normal((3, 6))
    layers = [vg.Dense(7, "tanh"), vg.Dense(5, "softmax")]
    model = vg.Sequential(layers, input_shape=6, dtype="float64", seed=0)
    slope = 1 - np.tanh(x @ layers[0].weight.T) ** 2
    expected = np.einsum("oh,nh,hi->noi", layers[1].weight, slope, layers[0].weight)
    np.testing.assert_allclose(
        vg.theory.input_jacobian(model, x, logits=True), expected, atol=1e-13
    )
    values = vg.theory.singular_values(model, x, logits=True)
    np.testing.assert_allclose(values, np.linalg.svd(expected, compute_uv=False), atol=1e-12)
    assert vg.theory.singular_values(model, x).max() < 0.5 * values.max()
    assert model.layers[1].activation.name == "softmax"
    with pytest.raises(ValueError, match="logits: expected False of dense1"):
        vg.theory.singular_values(model, x, "dense1", logits=True)
