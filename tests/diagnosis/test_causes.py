"""Factors of gradients, against NumPy's own backward passes and closed forms."""

import itertools
import warnings

import numpy as np
import pytest

import vgcore as vg
from vgcore.diagnosis import causes
from vgcore.diagnosis.finding import Factor

RNG = np.random.default_rng(0)
PARTS = ("weights", "slopes", "norms", "skips")
SLOPES = {
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "relu": lambda z: (z > 0).astype(float),
    "identity": np.ones_like,
}
VALUES = {
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "identity": lambda z: z,
}


def compiled(layers, shape, loss="mse", dtype="float64", **options):
    model = vg.Sequential(layers, input_shape=shape, dtype=dtype, seed=1)
    model.compile(loss, **options)
    return model


def rms(*arrays):
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    return np.sqrt(np.mean(numbers**2))


def parts(factor):
    return [getattr(factor, part) for part in PARTS]


def layers_of(model, x, y, **options):
    return causes.over_layers(model, model.internals(x, y, **options))


def assert_products(factors):
    assert factors
    for each in factors:
        assert np.prod(parts(each)) == pytest.approx(each.total, rel=1e-12)


def by_hand(model, x, y):
    """dL/dh and dL/dz of a stack of dense layers under the mean squared error."""
    h, seen = np.asarray(x, float), []
    for layer in model.layers:
        z = h @ np.asarray(layer.weight, float).T + np.asarray(layer.bias, float)
        seen.append((layer, z))
        h = VALUES[layer.activation.name](z)
    dh, found = 2 * (h - y) / h.size, []
    for layer, z in reversed(seen):
        delta = dh * SLOPES[layer.activation.name](z)
        found.append((layer.name, dh, delta))
        dh = delta @ np.asarray(layer.weight, float)
    return found


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-10), ("float32", 1e-4)])
def test_dense_layers_of_several_widths(dtype, rtol):
    layers = [vg.Dense(n, f) for n, f in ((9, "tanh"), (30, "relu"), (7, "sigmoid"), (3, "tanh"))]
    model = compiled(layers, 5, dtype=dtype)
    x, y = RNG.normal(size=(40, 5)), RNG.normal(size=(40, 3))
    factors = layers_of(model, x, y)
    above = None
    assert len(factors) == 4
    for factor, (name, dh, delta) in zip(factors, by_hand(model, x, y), strict=True):
        start = dh if above is None else above
        assert factor.place == name
        assert factor.total == pytest.approx(rms(delta) / rms(start), rel=rtol)
        assert factor.weights == pytest.approx(rms(dh) / rms(start), rel=rtol)
        assert factor.slopes == pytest.approx(rms(delta) / rms(dh), rel=rtol)
        assert factor.norms == factor.skips == 1
        above = delta


def test_scaled_orthogonal_weights_are_the_scale():
    start = vg.initializers.Orthogonal(0.7)
    model = compiled([vg.Dense(8, weight_initializer=start) for _ in range(6)], 8)
    factors = layers_of(model, RNG.normal(size=(20, 8)), RNG.normal(size=(20, 8)))
    assert [each.place for each in factors] == [f"dense{n}" for n in (5, 4, 3, 2, 1)]
    for each in factors:
        assert each.total == each.weights == pytest.approx(0.7, rel=1e-12)
        assert each.slopes == 1
    assert causes.typical(factors).total == pytest.approx(0.7, rel=1e-12)
    assert causes.blame(factors) == "weights"


def test_sigmoids_at_0_have_a_slope_of_a_quarter():
    model = compiled([vg.Dense(6, "sigmoid") for _ in range(4)], 6, "binary_crossentropy")
    for layer in model.layers:
        layer.bias = -0.5 * layer.weight.sum(axis=1)
    factors = layers_of(model, np.full((5, 6), 0.5), RNG.integers(2, size=(5, 6)).astype(float))
    assert len(factors) == 3  # the loss makes dL/dz of the last at once
    for each in factors:
        assert each.slopes == pytest.approx(1 / 4, rel=1e-12)
    assert causes.blame(factors) == "slopes"
    assert "slopes by 0.25" in causes.sentence(factors)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_activation_by_itself_is_the_slope_of_the_layer_below(dtype):
    def stack(hidden, output):
        layers = [*(vg.Dense(6, hidden[0]), *hidden[1:]), vg.Dense(3, output[0]), *output[1:]]
        return compiled(layers, 4, "sparse_categorical_crossentropy", dtype)

    one = stack(("tanh",), ("softmax",))
    two = stack((None, vg.Activation("tanh")), (None, vg.Activation("softmax")))
    x, y = RNG.normal(size=(20, 4)), RNG.integers(3, size=20)
    [found], [wanted] = layers_of(two, x, y), layers_of(one, x, y)
    np.testing.assert_allclose(parts(found), parts(wanted), rtol=1e-5)
    assert found.place == wanted.place == "dense1"


def test_he_and_relu_undo_each_other():
    layers = [vg.Dense(300, "relu", weight_initializer="he_normal") for _ in range(6)]
    model = compiled([*layers, vg.Dense(300, weight_initializer="he_normal")], 300)
    y = RNG.normal(size=(64, 300), scale=1e6)  # so that the gradient knows nothing of the weights
    factors = layers_of(model, RNG.normal(size=(64, 300)), y)
    one = causes.typical(factors)
    assert one.slopes == pytest.approx(np.sqrt(1 / 2), rel=0.05)
    assert one.weights == pytest.approx(np.sqrt(2), rel=0.08)


def test_widths_do_not_enter():
    layers = [vg.Dense(n, weight_initializer="he_normal") for n in (100, 400, 100, 400)]
    model = compiled(layers, 50)
    y = RNG.normal(size=(64, 400), scale=1e6)
    for each, layer in zip(
        layers_of(model, RNG.normal(size=(64, 50)), y), layers[:0:-1], strict=True
    ):
        deviation, units = layer.weight.std(), layer.units
        assert each.weights == pytest.approx(np.sqrt(units) * deviation, rel=0.1)


def layer_norm_back(dz, x, epsilon):
    """Ba et al.'s norm without scale, backwards."""
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + epsilon)
    v = (x - x.mean(axis=1, keepdims=True)) / deviation
    return (
        dz - dz.mean(axis=1, keepdims=True) - v * (dz * v).mean(axis=1, keepdims=True)
    ) / deviation


def test_norms_between_have_a_part_of_their_own():
    model = compiled([vg.Dense(9), vg.LayerNorm("tanh"), vg.Dense(4)], 6)
    below, norm, above = model.layers
    x, y = RNG.normal(size=(20, 6)), RNG.normal(size=(20, 4))
    z = x @ below.weight.T
    v = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + norm.epsilon)
    delta = 2 * (np.tanh(v) @ above.weight.T - y) / y.size
    dh = delta @ above.weight
    dv = dh * (1 - np.tanh(v) ** 2)
    dz = layer_norm_back(dv, z, norm.epsilon)
    [factor] = layers_of(model, x, y)
    assert factor.place == "dense1"
    assert factor.weights == pytest.approx(rms(dh) / rms(delta), rel=1e-10)
    assert factor.slopes == pytest.approx(rms(dv) / rms(dh), rel=1e-10)
    assert factor.norms == pytest.approx(rms(dz) / rms(dv), rel=1e-10)
    assert factor.total == pytest.approx(rms(dz) / rms(delta), rel=1e-10)


@pytest.mark.parametrize("gate", [None, 0.3])
def test_skips_are_the_sum_over_the_body(gate):
    body = [vg.Dense(5, "tanh"), vg.Dense(6)]
    model = compiled([vg.Dense(6), vg.Residual(body, gate=gate), vg.Dense(2)], 4)
    first, _, last = model.layers
    one, two = body
    x, y = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 2))
    h = x @ first.weight.T
    z = h @ one.weight.T
    g = gate or 1
    top = 2 * ((h + g * np.tanh(z) @ two.weight.T) @ last.weight.T - y) / y.size
    joined = top @ last.weight
    dh = g * joined @ two.weight
    dz = dh * (1 - np.tanh(z) ** 2)
    through = dz @ one.weight
    block, lowest = layers_of(model, x, y)
    assert (block.place, lowest.place) == ("residual1", "dense1")
    assert block.total == block.weights == pytest.approx(rms(joined) / rms(top), rel=1e-10)
    assert lowest.skips == pytest.approx(rms(joined + through) / rms(through), rel=1e-10)
    assert lowest.slopes == pytest.approx(rms(dz) / rms(dh), rel=1e-10)
    weights = rms(dh) / rms(joined) * rms(through) / rms(dz)
    assert lowest.weights == pytest.approx(weights, rel=1e-10)
    assert lowest.total == pytest.approx(rms(joined + through) / rms(joined), rel=1e-10)


def test_of_a_body_that_brings_nothing_all_is_the_skips():
    layers = [vg.Dense(6), *(vg.Residual([vg.Dense(6, "tanh")], gate=0.0) for _ in range(3))]
    model = compiled([*layers, vg.Dense(2)], 4)
    _, *blocks = layers_of(model, RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2)))
    assert len(blocks) == 3
    for each in blocks:
        assert parts(each) == [1, 1, 1, 1] and each.total == 1


def test_highway_layers_are_left_by_their_carry():
    model = compiled([vg.Dense(6), vg.Highway("tanh"), vg.Dense(2)], 4)
    _, highway, last = model.layers
    x, y = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 2))
    h = x @ model.layers[0].weight.T
    g, t = np.tanh(h @ highway.weight.T), VALUES["sigmoid"](h @ highway.weight_gate.T - 2)
    top = 2 * ((t * g + (1 - t) * h) @ last.weight.T - y) / y.size
    dh = top @ last.weight
    dg, dt = dh * t * (1 - g**2), dh * (g - h) * t * (1 - t)
    body = dg @ highway.weight + dt @ highway.weight_gate
    above, below = layers_of(model, x, y)
    assert above.slopes == pytest.approx(rms(dg, dt) / rms(dh), rel=1e-10)
    assert below.weights == pytest.approx(rms(body) / rms(dg, dt), rel=1e-10)
    assert below.skips == pytest.approx(rms(body + (1 - t) * dh) / rms(body), rel=1e-10)


def test_what_has_no_weights_counts_as_slopes():
    model = compiled([vg.Dense(50), vg.Dropout(0.4), vg.PReLU(), vg.Dense(3)], 6)
    inside = model.internals(RNG.normal(size=(30, 6)), RNG.normal(size=(30, 3)))
    [factor] = causes.over_layers(model, inside)
    kept = inside["dropout1"].h != 0
    dh = inside["dense2"].delta @ model.layers[3].weight
    delta = dh * np.where(inside["dropout1"].h > 0, 1, 0.25) * kept / 0.6
    assert factor.slopes == pytest.approx(rms(delta) / rms(dh), rel=1e-10)
    assert factor.norms == factor.skips == 1


IMAGES = RNG.normal(size=(7, 2, 8, 8))


def images():
    return [
        *(vg.Conv2d(4, 3, "relu"), vg.MaxPool(2), vg.BatchNorm(), vg.Conv2d(6, 2, "tanh")),
        vg.Parallel([vg.Conv2d(3, 1), [vg.Conv2d(3, 1, "tanh"), vg.Conv2d(2, 1)]], merge="concat"),
        vg.Residual([vg.Residual([vg.GroupNorm(5), vg.Conv2d(5, 1)])], activation="relu"),
        *(vg.GlobalAvgPool(), vg.Reshape((5,)), vg.Flatten(), vg.Dense(2)),
    ]


def test_a_convolution_and_all_that_stands_around_it():
    model = compiled(images(), (2, 8, 8))
    inside = model.internals(IMAGES, RNG.normal(size=(7, 2)))
    factors = causes.over_layers(model, inside)
    assert_products(factors)
    names = ["dense1", "residual1", "parallel1", "conv2d2", "conv2d1"]
    assert [each.place for each in factors] == names[1:]
    for each, (above, below) in zip(factors, itertools.pairwise(names), strict=True):
        total = rms(inside[below].delta) / rms(inside[above].delta)
        assert each.total == pytest.approx(total, rel=1e-10)
    pooled = factors[0]  # 9 places share the gradient of their mean; then the ReLU's slope
    delta, dh = inside["residual1"].delta, inside["dense1"].delta @ model.layers[-1].weight
    assert pooled.slopes == pytest.approx(rms(delta) / rms(dh), rel=1e-10)
    assert factors[3].norms != 1 and factors[1].norms != 1


def test_patch_sums_of_a_convolution_are_its_weights():
    model = compiled([vg.Conv2d(4, 1), vg.Conv2d(3, 2)], (2, 8, 8))
    inside = model.internals(IMAGES, RNG.normal(size=(7, 3, 7, 7)))
    [factor] = causes.over_layers(model, inside)
    delta, weight = inside["conv2d2"].delta, model.layers[1].weight
    back = np.zeros((7, 4, 8, 8))
    for i, j in np.ndindex(2, 2):
        taken = np.einsum("nfyx,fc->ncyx", delta, weight[:, :, i, j])
        back[:, :, i : i + 7, j : j + 7] += taken
    assert factor.weights == factor.total == pytest.approx(rms(back) / rms(delta), rel=1e-10)


def test_an_embedding_is_the_last_that_a_gradient_gets_to():
    model = compiled([vg.Embedding(10, 4), vg.LSTM(5), vg.Dense(2)], (None,))
    inside = model.internals(RNG.integers(10, size=(8, 6)), RNG.normal(size=(8, 2)))
    walk, table = causes.over_layers(model, inside)
    assert (walk.place, table.place) == ("lstm1", "embedding1")
    dx = inside["lstm1"].delta @ model.layers[1].weight_ih
    assert table.total == table.weights == pytest.approx(rms(dx) / rms(inside["lstm1"].delta))


# Through time

SEQUENCES = RNG.normal(size=(6, 7, 3))


def rnn_by_hand(layer, x, y):
    """dL/dh_t, dL/dz_t and what comes back through W_hh, under the mean squared error of all states."""
    h, zs, hs = np.zeros((len(x), layer.units)), [], []
    for t in range(x.shape[1]):
        zs.append(x[:, t] @ layer.weight_ih.T + h @ layer.weight_hh.T)
        h = np.tanh(zs[-1])
        hs.append(h)
    back, found = np.zeros_like(h), {}
    for t in reversed(range(x.shape[1])):
        dh = back + 2 * (hs[t] - y[:, t]) / y.size
        delta = dh * (1 - hs[t] ** 2)
        found[t] = dh, delta, back
        back = delta @ layer.weight_hh
    return found


@pytest.mark.parametrize("backwards", [False, True])
def test_an_rnn(backwards):
    model = compiled([vg.RNN(5, return_sequences=True, go_backwards=backwards)], (None, 3))
    y = RNG.normal(size=(6, 7, 5))
    turn = slice(None, None, -1 if backwards else 1)
    found = rnn_by_hand(model.layers[0], SEQUENCES[:, turn], y[:, turn])
    factors = causes.over_time(model, model.internals(SEQUENCES, y), "rnn1")
    assert len(factors) == 6
    for t, factor in zip(reversed(range(6)), factors, strict=True):
        (dh, delta, _), (_, _, back) = found[t + 1], found[t]
        assert factor.place == f"timestep {6 - t if backwards else t}"
        assert factor.slopes == pytest.approx(rms(delta) / rms(dh), rel=1e-9)
        assert factor.weights == pytest.approx(rms(back) / rms(delta), rel=1e-9)
        assert factor.total == pytest.approx(rms(back) / rms(dh), rel=1e-9)


def test_an_orthogonal_linear_rnn_has_factors_of_its_scale():
    layer = vg.RNN(8, "identity", recurrent_initializer=vg.initializers.Orthogonal(0.8))
    model = compiled([layer, vg.Dense(1)], (None, 3))
    inside = model.internals(SEQUENCES, RNG.normal(size=(6, 1)))
    for each in causes.over_time(model, inside, "rnn1"):
        assert each.total == each.weights == pytest.approx(0.8, rel=1e-12)
        assert each.slopes == 1
    walk, *_ = causes.over_layers(model, inside)
    times = np.sqrt(np.mean(0.8 ** (2 * np.arange(7))))
    direct = inside["rnn1"].dh_direct[:, -1]
    from_above = rms(direct) / rms(inside["dense1"].delta)
    assert walk.weights == pytest.approx(from_above * times, rel=1e-12)


def test_an_lstm_that_only_keeps_is_its_forget_gate():
    """Without a way back through the gates dL/dc_t is f dL/dc_{t+1}."""
    model = compiled([vg.LSTM(5), vg.Dense(1)], (None, 3))
    layer = model.layers[0]
    layer.weight_hh = np.zeros_like(layer.weight_hh)
    factors = causes.over_time(model, model.internals(SEQUENCES, RNG.normal(size=(6, 1))), "lstm1")
    for each in factors:
        assert each.weights == pytest.approx(1, rel=1e-12) and each.slopes == 1
        assert each.total == each.skips
    layer.bias_ih, layer.weight_ih = np.repeat([0, -3, 0, 0], 5), np.zeros_like(layer.weight_ih)
    factors = causes.over_time(model, model.internals(SEQUENCES, RNG.normal(size=(6, 1))), "lstm1")
    for each in factors:
        assert each.total == pytest.approx(1 / (1 + np.exp(3)), rel=1e-9)
    assert causes.blame(factors) == "gates"
    assert causes.typical(factors).place == "each timestep"


def test_a_gru_that_only_keeps_is_its_update_gate():
    model = compiled([vg.GRU(5), vg.Dense(1)], (None, 3))
    layer = model.layers[0]
    layer.weight_hh = np.zeros_like(layer.weight_hh)
    layer.bias_ih, layer.weight_ih = np.repeat([0, 2, 0], 5), np.zeros_like(layer.weight_ih)
    factors = causes.over_time(model, model.internals(SEQUENCES, RNG.normal(size=(6, 1))), "gru1")
    for each in factors:
        assert each.total == each.skips == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-9)


CELLS = {"rnn": vg.RNN, "lstm": vg.LSTM, "gru": vg.GRU}


@pytest.mark.parametrize("align", ["start", "end"])
@pytest.mark.parametrize("kind", CELLS)
def test_padding_is_left_out(kind, align):
    layers = [CELLS[kind](5, return_sequences=True), vg.Bidirectional(CELLS[kind](4)), vg.Dense(2)]
    model = compiled(layers, (None, 3))
    y, walk = RNG.normal(size=(6, 2)), f"{kind}1"
    short = model.internals(SEQUENCES[:, :4], y)
    padded = model.internals(SEQUENCES, y, lengths=np.full(6, 4), align=align)
    for found, wanted in (
        (causes.over_time(model, padded, walk), causes.over_time(model, short, walk)),
        (causes.over_layers(model, padded), causes.over_layers(model, short)),
    ):
        assert len(found) == len(wanted) > 1
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(parts(one), parts(other), rtol=1e-10)


def test_samples_count_at_the_timesteps_that_they_have():
    model = compiled([vg.RNN(5), vg.Dense(2)], (None, 3))
    lengths = np.array([0, 1, 3, 3, 5, 7])
    inside = model.internals(SEQUENCES, RNG.normal(size=(6, 2)), lengths=lengths)
    factors = causes.over_time(model, inside, "rnn1")
    assert [each.place for each in factors] == [f"timestep {t}" for t in (5, 4, 3, 2, 1, 0)]
    dh = inside["rnn1"].dh
    assert factors[0].total == pytest.approx(rms(dh[5:, 5]) / rms(dh[5:, 6]), rel=1e-10)
    long = lengths > 2
    assert factors[-1].total == pytest.approx(rms(dh[long, 0]) / rms(dh[long, 1]), rel=1e-10)
    assert_products(factors)


def test_directions_and_stacks_go_by_the_trackers_names():
    layers = [
        vg.Bidirectional(vg.GRU(4, return_sequences=True, num_layers=2, dropout=0.2)),
        vg.Residual([vg.LSTM(8, return_sequences=True, peepholes=True)]),
        vg.RNN(5, recurrent_dropout=0.3),
        vg.Dense(2),
    ]
    model = compiled(layers, (None, 3))
    inside = model.internals(SEQUENCES, RNG.normal(size=(6, 2)))
    walks = [f"bidirectional1.{n}.{side}" for n in "01" for side in ("forward", "backward")]
    for walk in [*walks, "residual1.lstm1", "rnn1"]:
        assert_products(causes.over_time(model, inside, walk))
    factors = causes.over_layers(model, inside)
    assert_products(factors)
    names = ["rnn1", "residual1", "bidirectional1.1", "bidirectional1.0"]
    assert [each.place for each in factors] == names
    lowest = [inside[f"bidirectional1.0.{side}"].delta for side in ("forward", "backward")]
    second = [inside[f"bidirectional1.1.{side}"].delta for side in ("forward", "backward")]
    assert factors[-1].total == pytest.approx(rms(*lowest) / rms(*second), rel=1e-10)


def test_one_timestep_has_no_factor():
    model = compiled([vg.RNN(5), vg.Dense(2)], (None, 3))
    inside = model.internals(SEQUENCES[:, :1], RNG.normal(size=(6, 2)))
    assert causes.over_time(model, inside, "rnn1") == ()


@pytest.mark.parametrize("kind", CELLS)
def test_a_gradient_that_is_cut_has_no_factor_there(kind):
    model = compiled([CELLS[kind](5, return_sequences=True), vg.Dense(2)], (None, 3), tbptt=3)
    inside = model.internals(SEQUENCES, RNG.normal(size=(6, 7, 2)))
    factors = causes.over_time(model, inside, f"{kind}1")
    assert [each.place for each in factors] == [f"timestep {t}" for t in (4, 3, 1, 0)]
    assert all(each.total > 0.01 for each in factors)


# What is not finite, or nothing


def quietly(function, *arguments):
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        return function(*arguments)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_underflows(dtype):
    layers = [vg.Dense(5, "sigmoid") for _ in range(700)]
    model = compiled([*layers, vg.Dense(2)], 4, dtype=dtype)
    inside = model.internals(RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2)))
    factors = quietly(causes.over_layers, model, inside)
    totals = np.array([each.total for each in factors])
    [end] = np.flatnonzero(totals == 0)
    assert end > 50 and np.isnan(totals[end + 1 :]).all() and (totals[:end] > 0).all()
    assert quietly(causes.typical, factors).total == pytest.approx(0.2, abs=0.06)
    assert quietly(causes.blame, factors) == "slopes"
    assert "0 of" not in quietly(causes.sentence, factors)


def test_a_dead_layer_is_the_slopes():
    layers = [vg.Dense(5, "relu"), vg.Dense(5, "relu", bias_initializer="zeros"), vg.Dense(2)]
    model = compiled(layers, 4)
    layers[1].bias = np.full(5, -1e3)
    inside = model.internals(RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2)))
    dead, below = quietly(causes.over_layers, model, inside)
    assert (dead.total, dead.slopes) == (0, 0) and dead.weights > 0
    assert np.isnan(below.total)
    assert quietly(causes.blame, (dead, below)) == "slopes"
    text = quietly(causes.sentence, (dead, below), model)
    assert text == "No gradient gets to dense2: relu slopes multiply it by 0."


def test_weights_of_0_let_nothing_through():
    model = compiled([vg.Dense(5, "tanh"), vg.Dense(2, weight_initializer="zeros")], 4)
    [factor] = layers_of(model, RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2)))
    assert (factor.total, factor.weights, factor.slopes) == (0, 0, 1)
    assert causes.blame([factor]) == "weights"


def test_an_infinite_gradient():
    model = compiled([vg.Dense(5) for _ in range(4)], 5, dtype="float32")
    for layer, scale in zip(model.layers, (0, 1e30, 1e30, 1), strict=True):
        layer.weight = np.eye(5) * scale
    factors = quietly(causes.over_layers, model, model.internals(np.ones((9, 5)), np.ones((9, 5))))
    totals = [each.total for each in factors]
    assert totals == pytest.approx([1, 1e30, np.inf], rel=1e-5)
    assert quietly(causes.blame, factors) == "weights"


def test_a_loss_that_is_not_finite_tells_nothing():
    model = compiled([vg.Dense(5, "tanh"), vg.Dense(5, "tanh"), vg.Dense(2)], 4)
    inside = model.internals(RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2)))
    inside["dense3"].delta[0, 0] = np.nan
    inside["dense2"].dh[...], inside["dense2"].delta[...] = np.nan, np.nan
    inside["dense1"].dh[...], inside["dense1"].delta[...] = np.nan, np.nan
    factors = quietly(causes.over_layers, model, inside)
    assert all(np.isnan(each.total) for each in factors)
    assert "not finite" in quietly(causes.sentence, factors, model)


def test_huge_and_tiny_numbers_are_squared_without_loss():
    model = compiled([vg.Dense(5), vg.Dense(5), vg.Dense(2)], 4)
    inside = model.internals(RNG.normal(size=(9, 4)), RNG.normal(size=(9, 2)))
    plain = causes.over_layers(model, inside)
    for scale in (1e-180, 1e300):
        for each in inside.values():
            for array in (each.delta, each.dh):
                array *= scale
        scaled = quietly(causes.over_layers, model, inside)
        for one, other in zip(scaled, plain, strict=True):
            assert one.total == pytest.approx(other.total, rel=1e-10)


# What is said


def test_the_geometric_mean_part_by_part():
    factors = [Factor("dense2", 0.5, 2, 0.25), Factor("dense1", 0.02, 0.5, 0.04)]
    one = causes.typical(factors)
    assert one.place == "each layer"
    assert one.total == pytest.approx(0.1)
    assert one.weights == pytest.approx(1) and one.slopes == pytest.approx(0.1)


def test_the_part_with_the_largest_share_is_to_blame():
    of = {
        "weights": Factor("dense1", 8.0, 16.0, 0.5),
        "slopes": Factor("dense1", 0.2, 2.0, 0.1),
        "norms": Factor("dense1", 6.0, 1.5, 0.5, 8.0),
        "skips": Factor("dense1", 2.0, 0.5, 1.0, 1.0, 4.0),
        "gates": Factor("timestep 3", 0.02, 2.0, 1.0, 1.0, 0.01),
    }
    for part, factor in of.items():
        assert causes.blame([factor, factor]) == part


def test_a_sentence_says_what_is_to_blame_first():
    model = compiled([*(vg.Dense(30, "sigmoid") for _ in range(8)), vg.Dense(2)], 4)
    factors = layers_of(model, RNG.normal(size=(64, 4)), RNG.normal(size=(64, 2)))
    text = causes.sentence(factors, model)
    assert text.startswith("Each of 8 layers multiplies the gradient by 0.2")
    assert ": sigmoid slopes (at most 0.25 each) by 0.2" in text
    in_time = [Factor("timestep 1", 0.61, 1.0, 0.61), Factor("timestep 0", 0.61, 1.0, 0.61)]
    wanted = "Each timestep multiplies the gradient by 0.61: slopes by 0.61."
    assert causes.sentence(in_time) == wanted
    gated = [Factor("timestep 0", 0.02, 2.0, 1.0, 1.0, 0.01)]
    text = (
        "The step to timestep 0 multiplies the gradient by 0.02: the gates' own path by 0.01, what"
    )
    assert causes.sentence(gated).startswith(text)
    assert causes.sentence([Factor("dense1", 1.0)]).endswith("multiplies the gradient by 1.")


@pytest.mark.parametrize(
    ("layers", "slopes"),
    [
        ([vg.Dense(4, "tanh"), vg.Dense(4, "relu"), vg.Dense(2)], "slopes"),
        ([vg.Highway("tanh"), vg.Dense(2)], "slopes"),
        ([vg.Dense(4, vg.leaky_relu(0.1)), vg.Dense(2)], "leaky_relu slopes"),
        ([vg.Dense(4, vg.activations.formula("tanh(z / 2)")), vg.Dense(2)], None),
    ],
)
def test_slopes_are_named_where_all_are_of_one_kind(layers, slopes):
    model = compiled(layers, 4)
    factor = Factor("dense1", 0.5, 1.0, 0.5)
    name = slopes or f"{layers[0].activation.name} slopes"
    assert causes.sentence([factor], model).endswith(f": {name} by 0.5.")


def test_bad_arguments():
    model = compiled([vg.RNN(5), vg.Dense(2)], (None, 3))
    inside, without = model.internals(SEQUENCES, np.ones((6, 2))), model.internals(SEQUENCES)
    for call in (causes.over_layers, lambda *given: causes.over_time(*given, "rnn1")):
        with pytest.raises(ValueError, match="internals: expected those of a pass with targets"):
            call(model, without)
    with pytest.raises(ValueError, match="walk: expected one of rnn1"):
        causes.over_time(model, inside, "dense1")
    for call in (causes.typical, causes.blame, causes.sentence):
        with pytest.raises(ValueError, match="factors: expected at least one, got none"):
            call(())
