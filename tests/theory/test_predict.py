"""Theory of whole models: closed forms, published numbers, and many draws of real networks."""

import math

import numpy as np
import pytest

import vgcore as vg
from vgcore.theory import prediction
from vgcore.theory.signal import variance

HE = {"weight_initializer": "he_normal"}
LECUN = {"weight_initializer": "lecun_normal"}
RNG = np.random.default_rng(2026)  # other numbers than those of any model's weights
X = RNG.standard_normal((32, 64))
IMAGES = RNG.standard_normal((16, 3, 6, 6))
SEQUENCES = RNG.standard_normal((16, 12, 8))


def model(layers, x=X, seed=0, dtype="float64"):
    return vg.Sequential(layers, input_shape=x.shape[1:], dtype=dtype, seed=seed)


def deep(depth, *layers):
    """Each of some makers of layers, depth times."""
    return [make() for _ in range(depth) for make in layers]


def rows(layers, x=X):
    """Mean squares of an infinitely wide network, and their variances between draws: z, h, delta by name."""
    made = model(layers, x)
    _, found = prediction._follow(made.session, x)
    return {row.name: row for row in found}


def drawn(make, x, draws):
    """Of real networks: the flow's fields, each (draws, layers)."""
    found = {field: [] for field in ("delta", "activation_mean", "activation_std")}
    for seed in range(draws):
        made = model(make(), x, seed)
        made.compile("mse")
        shape = made.predict(x).shape
        flow = made.gradient_flow(x, 1e4 * np.random.default_rng(seed).choice([-1.0, 1.0], shape))
        for field, values in found.items():
            values.append(getattr(flow, field)[0])
    found = {field: np.array(values) for field, values in found.items()}
    found["delta"] /= found["delta"][:, -1:]
    found["h"] = np.hypot(found["activation_mean"], found["activation_std"])
    return made, found


def share(values, low, high):
    """Of draws that lie within a band, rounding aside."""
    slack = 1e-3 * np.abs(values)
    return ((values >= low - slack) & (values <= high + slack)).mean()


# Closed forms


def test_rectifiers_after_he_keep_lengths_and_gradients():
    found = rows([*deep(30, lambda: vg.Dense(50, "relu", **HE)), vg.Dense(50, None, **LECUN)])
    first = found["dense1"].z.square
    assert first == pytest.approx(2 * (X**2).mean(), rel=1e-9)
    for number in range(2, 31):
        row = found[f"dense{number}"]
        assert row.z.square == pytest.approx(first, rel=1e-6)
        assert row.h.square == pytest.approx(first / 2, rel=1e-6)
        assert row.delta.square == pytest.approx(found["dense1"].delta.square, rel=1e-9)
    assert found["dense31"].delta.square == 1
    assert found["dense30"].delta.square == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("activation", ["tanh", vg.activations.formula("tanh(z)")], ids=str)
def test_lengths_and_gradients_of_dense_layers_follow_the_maps(activation):
    sigma_w, sigma_b, width = 1.3, 0.2, 40
    start = {
        "weight_initializer": vg.initializers.Normal(0, sigma_w / math.sqrt(width)),
        "bias_initializer": vg.initializers.Normal(0, sigma_b),
    }
    x = np.full((1, 40), 0.7)
    found = rows(deep(6, lambda: vg.Dense(width, activation, **start)), x)
    f = vg.activations.get(activation)
    q, factors = 0.49, []
    for number in range(1, 7):
        square = q if number == 1 else at.square  # noqa: F821
        q = sigma_w**2 * square + sigma_b**2
        at = vg.meanfield._moments(f, q)
        row = found[f"dense{number}"]
        assert row.z.square == pytest.approx(q, rel=1e-7)
        assert row.h.square == pytest.approx(at.square, rel=1e-7)
        factors.append(sigma_w**2 * at.slope)
    for number in range(1, 6):
        expected = math.prod(factors[number - 1 : 5])
        assert found[f"dense{number}"].delta.square == pytest.approx(expected, rel=1e-7)


def test_every_start_has_its_variance():
    init = vg.initializers
    for start in (
        init.Normal(0, 0.1), init.Uniform(-0.3, 0.3), init.TruncatedNormal(0, 0.2), init.Sparse(0.3, 0.1),
        init.Nielsen(), init.Orthogonal(1.3), init.Critical("tanh", 0.3), "he_uniform", "xavier_normal",
        init.VarianceScaling("tanh", "fan_out"), "zeros", lambda shape, rng, dtype: rng.normal(0, 0.2, shape),
    ):  # fmt: skip
        layer = vg.Dense(300, "tanh", weight_initializer=start)
        made = model([layer])
        expected = math.sqrt((X**2).mean() * 64 * layer.weight.var())
        assert vg.theory.predict(made, X).z[0] == pytest.approx(expected, rel=0.03)
        norm = vg.theory.predict(made, X).of("weight_norm")[0][0]
        assert norm == pytest.approx(np.linalg.norm(layer.weight), rel=0.03)
    biased = vg.Dense(3000, "relu", bias_initializer=init.Uniform(0, 1))
    made = model([biased])
    measured = math.sqrt((made.predict(X) ** 2).mean())
    assert vg.theory.predict(made, X).h[0] == pytest.approx(measured, rel=0.03)


def test_residual_blocks_add_lengths_and_gradients():
    """Each adds as much as it gets: 2^L forwards, 2^L backwards (Yang and Schoenholz 2017)."""
    found = rows([
        vg.Dense(64, None, **LECUN),
        *deep(5, lambda: vg.Residual([vg.Dense(64, None, **LECUN)])),
        vg.Dense(64, None, **LECUN),
    ])  # fmt: skip
    start = found["dense1"].h.square
    for number in range(1, 6):
        row = found[f"residual{number}"]
        assert row.h.square == pytest.approx(start * 2**number, rel=1e-9)
        assert row.delta.square == pytest.approx(2 ** (5 - number), rel=1e-9)
        assert row.skip.square == pytest.approx(2 ** (5 - number), rel=1e-9)
        assert row.body.square == pytest.approx(2 ** (5 - number), rel=1e-9)
    assert found["dense1"].delta.square == pytest.approx(2**5, rel=1e-9)


def test_means_of_branches_add_up():
    """E (x + relu z)², for x that are not centred: 2 E x E relu z is part of it."""
    found = rows([
        vg.Dense(64, "relu", **HE), vg.Residual([vg.Dense(64, "relu", **HE)], gate=0.5), vg.Dense(3),
    ], X[:1])  # fmt: skip
    q = 2 * (X[:1] ** 2).mean()
    mean, square = math.sqrt(q / (2 * math.pi)), q / 2
    body = math.sqrt(2 * square / (2 * math.pi))
    expected = square + 0.25 * square + 2 * 0.5 * mean * body
    assert found["residual1"].h.square == pytest.approx(expected, rel=1e-6)
    assert found["dense1"].delta.square == pytest.approx(
        0.5 * (1 + 0.25 * 2 * 0.5) * found["residual1"].delta.square, rel=1e-6
    )


def test_a_closed_gate_leaves_the_skip():
    body = deep(2, lambda: vg.Dense(64, "tanh"))
    found = rows([vg.Dense(64), vg.Residual(body, gate=0.0), vg.Dense(64, None, **LECUN)])
    assert found["residual1"].h.square == found["dense1"].h.square
    assert found["dense1"].delta.square == pytest.approx(1, rel=1e-9)
    assert found["residual1.dense1"].delta.square == 0


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_scales_by_what_it_keeps(rate):
    plain = rows([vg.Dense(50, "tanh"), vg.Dense(50, None, **LECUN)])
    found = rows([vg.Dense(50, "tanh"), vg.Dropout(rate), vg.Dense(50, None, **LECUN)])
    assert found["dropout1"].h.square == pytest.approx(plain["dense1"].h.square / (1 - rate))
    assert found["dense1"].delta.square == pytest.approx(plain["dense1"].delta.square / (1 - rate))
    assert found["dropout1"].delta.square == pytest.approx(1)


def test_row_norms_divide_the_gradient_by_the_length():
    width = 10_000
    for layer, left in ((vg.LayerNorm, 2), (vg.RMSNorm, 1)):
        start = {"weight_initializer": vg.initializers.Normal(0, 3 / 8)}
        found = rows([vg.Dense(width, None, **start), layer(), vg.Dense(5)], X[:1])
        square = 9 * (X[:1] ** 2).mean()
        name = f"{layer.kind}1"
        assert found[name].h.square == pytest.approx(1, rel=1e-5)
        expected = found[name].delta.square / square * (1 - left / width) * (1 + 2 / width)
        assert found["dense1"].delta.square == pytest.approx(expected, rel=1e-5)


def test_batch_normalisation_explodes_as_published():
    """Yang et al. 2019: (B - 2) / (B - 3) of linear networks, π / (π - 1) of rectifiers, per layer."""
    for batch in (8, 16, 64):
        x = (
            10 * np.linalg.qr(RNG.standard_normal((200, batch)))[0].T
        )  # samples alike: none is like another
        found = rows([*deep(20, lambda: vg.Dense(300), vg.BatchNorm), vg.Dense(300)], x)
        factor = found["dense4"].delta.square / found["dense5"].delta.square
        assert factor == pytest.approx((batch - 2) / (batch - 3), rel=1e-3)
        assert found["batchnorm9"].h.square == pytest.approx(1, rel=1e-4)
    x = RNG.standard_normal((256, 300))
    found = rows([*deep(20, lambda: vg.Dense(300), lambda: vg.BatchNorm("relu")), vg.Dense(300)], x)
    factor = (found["dense4"].delta.square / found["dense14"].delta.square) ** (1 / 10)
    assert factor == pytest.approx(math.pi / (math.pi - 1), rel=0.02)


def test_convolutions_sum_over_what_they_see():
    layer = vg.Conv2d(30, 3, None, padding=1, **LECUN)
    ones = np.ones((1, 3, 6, 6))
    found = rows([layer, vg.Flatten(), vg.Dense(4, None, **LECUN)], ones)
    seen = (
        16 * 9 + 16 * 6 + 4 * 4
    ) / 36  # taps that lie inside, of places inside, at sides, in corners
    assert found["conv2d1"].z.square == pytest.approx(seen / 9, rel=1e-9)
    assert found["flatten1"].h.square == found["conv2d1"].h.square
    assert found["conv2d1"].delta.square == pytest.approx(4 / (36 * 30), rel=1e-9)


def test_probabilities_of_random_logits():
    for units in (2, 10):
        start = vg.initializers.Normal(0, 0.3)
        found = rows([vg.Dense(units, "softmax", weight_initializer=start)])
        logits = RNG.standard_normal((200_000, units)) * math.sqrt(found["dense1"].z.square)
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        assert found["dense1"].h.square == pytest.approx((p**2).mean(), rel=0.01)
        assert found["dense1"].mean[0] == pytest.approx(1 / units)


def test_errors_of_rectifiers_add_up_as_published():
    """Hanin and Nica 2020, theorem 1: the logarithm of a squared length varies by 5 / n per layer."""
    width, depth = 200, 12
    layers = [*deep(depth, lambda: vg.Dense(width, "relu", **HE)), vg.Dense(width, None, **LECUN)]
    found = rows(layers, X[:1])
    assert found[f"dense{depth}"].h.variance == pytest.approx(5 * depth / width, rel=0.02)
    assert found["dense1"].delta.variance == pytest.approx(5 * depth / width, rel=0.02)
    linear = rows(deep(depth + 1, lambda: vg.Dense(width, None, **LECUN)), X[:1])
    assert linear[f"dense{depth}"].h.variance == pytest.approx(2 * depth / width, rel=0.02)
    assert linear["dense1"].delta.variance == pytest.approx(2 * depth / width, rel=0.02)
    orthogonal = {"weight_initializer": "orthogonal"}
    kept = rows(deep(depth, lambda: vg.Dense(64, None, **orthogonal)), X[:1])
    assert kept["dense9"].h.variance == kept["dense1"].delta.variance == 0


# Published networks


def test_glorot_and_bengio_2010():
    """5 x 1000 tanh: spreads of 0.164 to 0.018 with U(±1 / √n), 0.268 to 0.213 with normalised weights.

    With as many inputs as units, drawn from U(-1/2, 1/2): a mean square of 1/12.
    """
    x = np.random.default_rng(1).uniform(-0.5, 0.5, (64, 1000))
    standard = vg.initializers.Uniform(-1 / math.sqrt(1000), 1 / math.sqrt(1000))
    for start, first, last in ((standard, 0.164, 0.018), ("xavier_uniform", 0.268, 0.213)):
        layers = deep(5, lambda start=start: vg.Dense(1000, "tanh", weight_initializer=start))
        found = vg.theory.predict(model(layers, x, dtype="float32"), x).of("activation_std")[0]
        assert found[0] == pytest.approx(first, rel=0.015)
        assert found[4] == pytest.approx(last, rel=0.03)
        assert (np.diff(found) < 0).all()


# Real networks

NETWORKS = {
    "relu": (lambda: [*deep(6, lambda: vg.Dense(80, "relu", **HE)), vg.Dense(10)], X),
    "narrow": (lambda: [*deep(8, lambda: vg.Dense(30, "relu", **HE)), vg.Dense(10)], X),
    "wide": (lambda: [*deep(4, lambda: vg.Dense(300, "relu", **HE)), vg.Dense(10)], X),
    "tanh": (lambda: [*deep(8, lambda: vg.Dense(80, "tanh")), vg.Dense(10)], X),
    "chaos": (lambda: [
        *deep(6, lambda: vg.Dense(80, "tanh", weight_initializer=vg.initializers.Normal(0, 0.25),
                                  bias_initializer=vg.initializers.Normal(0, 0.3))), vg.Dense(10)], X),
    "sigmoid": (lambda: [*deep(5, lambda: vg.Dense(80, "sigmoid")), vg.Dense(10)], X),
    "linear": (lambda: [*deep(8, lambda: vg.Dense(60, None, **LECUN)), vg.Dense(10)], X),
    "formula": (lambda: [vg.Dense(80, vg.activations.formula("z * sigmoid(1.702 * z)")),
                         vg.Dense(80, vg.activations.formula("sin(3 * z) + 0.2")), vg.Dense(10)], X),
    "biases": (lambda: [
        vg.Dense(80, "relu", bias_initializer=vg.initializers.Constant(0.3), **HE),
        vg.Dense(80, "tanh", bias_initializer=vg.initializers.Normal(0.2, 0.4)), vg.Dense(10)], X),
    "dropout": (lambda: [*deep(4, lambda: vg.Dense(80, "tanh"), lambda: vg.Dropout(0.3)), vg.Dense(10)], X),
    "noise": (lambda: [*deep(3, lambda: vg.Dense(80), lambda: vg.GaussianNoise(0.5),
                             lambda: vg.Activation("tanh")), vg.Dense(10)], X),
    "selu": (lambda: [*deep(4, lambda: vg.Dense(80, "selu", **LECUN), lambda: vg.AlphaDropout(0.1)),
                      vg.Dense(10)], X),
    "prelu": (lambda: [vg.Dense(80), vg.PReLU(), vg.Dense(80), vg.PReLU(initial=-0.5), vg.Dense(10)], X),
    "residual": (lambda: [
        vg.Dense(80), *deep(4, lambda: vg.Residual([vg.Activation("relu"), vg.Dense(80, **HE)])),
        vg.Dense(10)], X),
    "nested": (lambda: [
        vg.Dense(80), vg.Residual([vg.LayerNorm("relu"), vg.Residual([vg.Dense(80, "tanh"), vg.Dense(80)]),
                                   vg.Dense(80)], gate=0.5),
        vg.Residual([vg.Dense(90, "tanh"), vg.Dense(60)], shortcut=[vg.Dense(60)], activation="tanh"),
        vg.Dense(10)], X),
    "parallel": (lambda: [
        vg.Dense(80, "relu"), vg.Parallel([vg.Dense(40, "tanh"), vg.Dense(60, "relu")], merge="concat"),
        vg.Dense(60, "tanh"), vg.Parallel([vg.Dense(60, "relu"), vg.Activation("identity")]),
        vg.Dense(10)], X),
    "highway": (lambda: [vg.Dense(64, "tanh"), *deep(4, vg.Highway), vg.Dense(10)], X),
    "layernorm": (lambda: [*deep(6, lambda: vg.Dense(80), lambda: vg.LayerNorm("relu")), vg.Dense(10)], X),
    "rmsnorm": (lambda: [*deep(4, lambda: vg.Dense(80, "gelu"), vg.RMSNorm), vg.Dense(10)], X),
    "batchnorm": (lambda: [*deep(6, lambda: vg.Dense(80), lambda: vg.BatchNorm("relu")), vg.Dense(10)], X),
    "data": (lambda: [vg.Flatten(), vg.Activation("tanh"), vg.Dense(60, "relu"), vg.Dense(10)], IMAGES),
    "conv": (lambda: [
        vg.Conv2d(30, 3, "relu", padding="same", **HE), vg.Conv2d(32, 3, "tanh", stride=2, groups=2),
        vg.Conv2d(30, 2, "relu", padding=1), vg.Flatten(), vg.Dense(10)], IMAGES),
    "pools": (lambda: [
        vg.Conv2d(40, 3, "relu", padding=1), vg.AvgPool(2), vg.Conv2d(40, 2, "tanh"), vg.GlobalAvgPool(),
        vg.Dense(10)], IMAGES),
    "groupnorm": (lambda: [*deep(3, lambda: vg.Conv2d(40, 3, padding=1), lambda: vg.GroupNorm(4, "relu")),
                           vg.Flatten(), vg.Dense(10)], IMAGES),
    "conv and batchnorm": (lambda: [
        *deep(3, lambda: vg.Conv2d(40, 3, padding=1), lambda: vg.BatchNorm("relu")), vg.GlobalAvgPool(),
        vg.Dense(10)], IMAGES),
    "reshape": (lambda: [vg.Dense(8 * 36, "relu"), vg.Reshape((8, 6, 6)), vg.Conv2d(30, 3, "tanh"),
                         vg.Flatten(), vg.Dense(10)], X),
    "conv1d": (lambda: [vg.Conv1d(60, 3, "relu"), vg.GlobalAvgPool(), vg.Dense(10)], SEQUENCES),
    "at every timestep": (lambda: [vg.Dense(60, "tanh"), vg.Dense(60, "tanh"), vg.Dense(5)], SEQUENCES),
    "bidirectional": (lambda: [vg.Bidirectional(vg.RNN(60, return_sequences=True)), vg.Dense(60, "tanh"),
                               vg.Dense(5)], SEQUENCES),
    "rnn stack": (lambda: [vg.RNN(80, num_layers=2, dropout=0.2), vg.Dense(10)], SEQUENCES),
    "backwards": (lambda: [vg.RNN(80, go_backwards=True), vg.Dense(10)], SEQUENCES),
    "lstm stack": (lambda: [vg.LSTM(80, return_sequences=True), vg.LSTM(60), vg.Dense(10)], SEQUENCES),
    "gru": (lambda: [vg.Dense(40, "tanh"), vg.GRU(80, recurrent_dropout=0.2), vg.Dense(10)], SEQUENCES),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_real_networks_do_what_theory_expects(name):
    make, x = NETWORKS[name]
    draws = 24
    made, found = drawn(make, x, draws)
    theory = vg.theory.predict(made, x)
    assert theory.layers == [*made.session.layout.columns]
    covered = []
    for field, values in (("h", found["h"]), ("delta", found["delta"])):
        if field == "h":
            mean, (low, high) = theory.h, theory.spread["h"]
        else:
            mean, low, high = theory.of("delta")
        error = values.std(axis=0) / math.sqrt(draws)
        off = np.abs(values.mean(axis=0) - mean) / mean
        assert (off < 0.06 + 3.5 * error / mean).all(), (field, off)
        covered.append(share(values, low, high))
    assert min(covered) > 0.65, covered
    mean, low, high = theory.of("activation_std")
    off = np.abs(found["activation_std"].mean(axis=0) / mean - 1)
    assert (off < 0.08 + 3.5 * found["activation_std"].std(axis=0) / math.sqrt(draws) / mean).all()


@pytest.mark.parametrize(("width", "depth"), [(40, 4), (40, 12), (160, 12)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_bands_cover_nine_of_ten_draws_at_any_width_and_depth(activation, width, depth):
    def make():
        start = vg.initializers.Critical(activation)
        return [
            *deep(depth, lambda: vg.Dense(width, activation, weight_initializer=start)),
            vg.Dense(20),
        ]

    made, found = drawn(make, X[:8], 60)
    theory = vg.theory.predict(made, X[:8])
    for mean, low, high, values in (
        (theory.h, *theory.spread["h"], found["h"]),
        (*theory.of("delta"), found["delta"]),
    ):
        inside = slice(0, depth)
        error = values.std(axis=0) / math.sqrt(len(values))
        assert (np.abs(values.mean(axis=0) - mean) < 0.03 * mean + 3.5 * error).all()
        shares = share(values[:, inside], low[inside], high[inside])
        assert 0.8 < shares <= 1
        spread = np.log(values[:, 0]).std() / (math.log(high[0] / low[0]) / 3.29)
        assert 0.7 < spread < 1.4


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_networks_deeper_than_wide_lie_within_wide_bands(activation):
    """Errors of 1/width per layer no longer are small: the mean gradient is told to a factor, not better."""
    start = vg.initializers.Critical(activation)

    def make():
        return [
            *deep(60, lambda: vg.Dense(16, activation, weight_initializer=start)),
            vg.Dense(10),
        ]

    made, found = drawn(make, X[:8], 30)
    theory = vg.theory.predict(made, X[:8])
    delta, low, high = theory.of("delta")
    assert 0.3 < found["delta"][:, 0].mean() / delta[0] < 3
    assert share(found["delta"][:, :60], low[:60], high[:60]) > 0.7
    assert high[0] / low[0] > 5


# What it gives, and refuses


def test_a_prediction_by_fields():
    made = model([vg.Dense(50, "tanh"), vg.Residual([vg.Dense(50)]), vg.Flatten(), vg.Dense(3)])
    theory = vg.theory.predict(made, X)
    assert theory.layers == ["dense1", "residual1.dense1", "residual1", "flatten1", "dense2"]
    assert theory.delta[-1] == 1
    assert np.isnan(theory.z).tolist() == [False, False, False, True, False]
    for name in ("z", "h", "delta"):
        low, high = theory.spread[name]
        values = getattr(theory, name)
        there = ~np.isnan(values)
        assert (low[there] <= values[there]).all()
        assert (values[there] <= high[there]).all()
    delta, low, high = theory.of("delta")
    assert delta == pytest.approx(theory.delta * np.sqrt([50 / 3, 50 / 3, 50 / 3, 50 / 3, 1]))
    skip, *_ = theory.of("delta_skip")
    assert np.isnan(skip).tolist() == [True, True, False, True, True]
    mean, low, high = theory.of("activation_mean")
    assert (low < mean).all()
    assert (mean < high).all()
    with pytest.raises(ValueError, match="field: expected one of delta, "):
        theory.of("weight_grad")
    with pytest.raises(TypeError, match="field: expected a name"):
        theory.of(3)
    assert repr(theory).startswith("<Prediction: 5 layers; the norm of delta of dense1 is ")
    assert theory._repr_html_().count("<tr>") == 6
    frame = pytest.importorskip("pandas") and theory.to_dataframe()
    assert list(frame.layer) == theory.layers
    assert {"z", "z_low", "z_high", "delta_high"} <= {*frame.columns}


def test_one_layer_one_unit_one_sample():
    theory = vg.theory.predict(model([vg.Dense(1)], X[:1, :1]), X[:1, :1])
    assert theory.delta.tolist() == [1]
    assert theory.z == theory.h
    assert np.isfinite(theory.spread["h"]).all()


def test_signals_of_zeros_stay_zeros():
    theory = vg.theory.predict(
        model([vg.Dense(9, "relu"), vg.Dense(9, "tanh"), vg.Dense(2)]), 0 * X
    )
    assert theory.h.tolist() == [0, 0, 0]
    assert np.isfinite(theory.delta).all()
    nothing = [vg.Dense(9, "tanh", weight_initializer="zeros"), vg.Dense(2)]
    assert vg.theory.predict(model(nothing), X).h.tolist() == [0, 0]


def test_lengths_beyond_all_numbers_are_infinite_and_not_nan():
    start = {"weight_initializer": vg.initializers.Normal(0, 1e10)}
    theory = vg.theory.predict(model(deep(40, lambda: vg.Dense(50, "relu", **start))), X)
    assert np.isinf(theory.z[-1])
    assert not np.isnan(theory.z).any()


def test_the_model_is_left_alone():
    made = model([vg.Dense(20, "tanh"), vg.Dropout(0.5), vg.Dense(3)])
    before, step = made.state_dict(), made.session.rng.bit_generator.state
    one, other = vg.theory.predict(made, X), vg.theory.predict(made, X)
    assert (one.delta == other.delta).all()
    assert made.session.rng.bit_generator.state == step
    for name, value in made.state_dict().items():
        assert (value == before[name]).all()


def test_weights_of_another_start_are_noticed(tmp_path):
    """A file keeps no initializers, and lsuv is no layer's: theory would be of other networks."""
    made = model([vg.Dense(40, "relu", **HE), vg.LayerNorm(), vg.Dense(40, "relu", **HE)])
    theory = vg.theory.predict(made, X)
    made.save(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"model: expected weights as .* got dense1.weight of"):
        vg.theory.predict(vg.load(tmp_path / "model.npz"), X)
    made.compile("mse", vg.SGD(10.0))
    made.fit(X, 10 + np.ones((32, 40)), epochs=3, verbose=0)
    assert (vg.theory.predict(made, X).delta == theory.delta).all()
    scaled = model([vg.Dense(40, "relu", **HE), vg.Dense(40, "relu", **HE)])
    vg.initializers.lsuv(scaled, X)
    with pytest.raises(ValueError, match=r"model: expected weights as .* got dense1.weight of"):
        vg.theory.predict(scaled, X)
    walks = model([vg.LSTM(30)], SEQUENCES)
    walks.layers[0].weight_hh = np.zeros((120, 30))
    with pytest.raises(ValueError, match=r"got lstm1\.weight_hh of variance 0 where 0\.0333"):
        vg.theory.predict(walks, SEQUENCES)


def test_embeddings_are_random_inputs():
    tokens = RNG.integers(0, 20, (16, 12))
    layers = [vg.Embedding(20, 40), vg.Dense(50, "tanh"), vg.GlobalAvgPool(), vg.Dense(5)]
    made = vg.Sequential(layers, input_shape=(None,), dtype="float64", seed=0)
    theory = vg.theory.predict(made, tokens)
    assert theory.h[0] == pytest.approx(1, rel=0.01)
    made.compile("mse")
    flow = made.gradient_flow(tokens, 1e4 * RNG.choice([-1.0, 1.0], (16, 5)))
    measured = flow.delta[0] / flow.delta[0, -1]
    assert measured == pytest.approx(theory.of("delta")[0], rel=0.25)
    assert flow.activation_std[0] == pytest.approx(theory.of("activation_std")[0], rel=0.25)


REFUSED = {
    "MaxPool": lambda: [vg.Conv2d(9, 2), vg.MaxPool(2), vg.Flatten(), vg.Dense(2)],
    "InstanceNorm": lambda: [vg.Conv2d(9, 2), vg.InstanceNorm(), vg.Flatten(), vg.Dense(2)],
    "groups of at least 8 channels": lambda: [
        vg.Conv2d(8, 2), vg.GroupNorm(4), vg.Flatten(), vg.Dense(2)],
    "windows do not overlap": lambda: [
        vg.Conv2d(8, 2), vg.AvgPool(3, stride=1), vg.Flatten(), vg.Dense(2)],
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_theory_has_not_is_named(what):
    with pytest.raises(NotImplementedError, match=what) as caught:
        vg.theory.predict(model(REFUSED[what](), IMAGES), IMAGES)
    assert ": theory has" in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [vg.Dense(9, weight_initializer="ones")], "dense1.weight: theory has weights of mean"),
        (lambda: [vg.Dense(64, weight_initializer="identity")], "dense1.weight: theory has random w"),
        (lambda: [vg.Dense(9, weight_initializer=vg.initializers.Uniform(0, 1))], "dense1.weight: th"),
        (lambda: [vg.Dense(9, weight_initializer=lambda shape: np.arange(576.0).reshape(shape) - 288)],
         "dense1.weight: theory has random numbers, got the same ones twice"),
        (lambda: [vg.Dense(9, "relu"), vg.Activation("tanh"), vg.Dense(2)], "activation1: theory has act"),
        (lambda: [vg.Dense(9, "softmax"), vg.Dense(2)], "dense1: theory has softmax at the end of a"),
        (lambda: [vg.Dense(9), vg.Residual([vg.Activation("tanh")]), vg.Dense(2)], "residual1: theory has "),
        (lambda: [vg.Dense(9, "relu"), vg.Residual([vg.Dense(9)], activation="relu")],
         "residual1: theory has activations of normal sums, got relu of a sum with"),
        (lambda: [vg.Dense(9), vg.Residual([vg.Dense(9, weight_initializer="identity")])],
         "residual1.dense1.weight: theory has random weights alone"),
        (lambda: [vg.Dense(9, "relu"), vg.BatchNorm(), vg.Dense(2)], "batchnorm1: theory has batch norm"),
        (lambda: [vg.RNN(9, recurrent_initializer="identity")], "rnn1.weight_hh: theory has random"),
    ],
)  # fmt: skip
def test_starts_and_orders_that_theory_has_not_are_named(layers, message):
    made = layers()
    x = SEQUENCES if isinstance(made[0], vg.RNN) else X
    with pytest.raises(NotImplementedError) as caught:
        vg.theory.predict(model(made, x), x)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: vg.theory.predict(None, X), TypeError, "model: expected a Sequential, got"),
        (lambda m: vg.theory.predict(m, X[:, :3]), ValueError, "x: expected"),
        (lambda m: vg.theory.predict(m, X * np.nan), ValueError, "x: expected finite"),
        (lambda m: vg.theory.predict(m, "x"), TypeError, "x: expected"),
        (
            lambda m: vg.theory.predict(m, X[:3]),
            ValueError,
            "x: expected at least 4 samples for batch",
        ),
        (lambda m: vg.theory.predikt, AttributeError, "module 'vgcore.theory' has no attribute"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error) as caught:
        call(model([vg.Dense(9), vg.BatchNorm("relu"), vg.Dense(2)]))
    assert str(caught.value).startswith(message)


def test_sources_are_independent():
    course = prediction.Course(10)
    one, other = course.source(0.1), course.source(0.2)
    assert variance(one) == pytest.approx(math.log1p(0.1))
    assert len(other) == 2
    assert other[0] == 0


def test_a_highway_layers_delta_is_of_both_its_gates():
    x = np.random.default_rng(0).normal(size=(64, 8))
    ratios = []
    for seed in range(12):
        layers = [vg.Dense(50), vg.Highway("tanh"), vg.Highway("tanh"), vg.Dense(20)]
        model = vg.Sequential(layers, input_shape=8, seed=seed)
        model.compile("mse")
        found = model.internals(x, 1e3 * np.random.default_rng(1).normal(size=(64, 20)))
        deltas = [found[name].delta for name in found]
        ratios.append([np.sqrt(np.mean(d**2) / np.mean(deltas[-1] ** 2)) for d in deltas])
    theory = vg.theory.predict(model, x)
    np.testing.assert_allclose(theory.delta, np.mean(ratios, axis=0), rtol=0.06)
