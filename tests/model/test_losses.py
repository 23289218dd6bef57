"""Every loss against its closed form: values, gradients, weights, smoothing, what is ignored."""

import itertools
import re

import numpy as np
import pytest

import vgcore as vg

RNG = np.random.default_rng(3)
N, UNITS = 11, 5


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def smoothed(y, e, classes):
    return (1 - e) * y + e / classes


def huber(delta):
    def loss(h, y):
        size = np.abs(h - y)
        return np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))

    return loss


def cosine(h, y):
    norms = np.maximum(np.linalg.norm(h, axis=-1), 1e-8) * np.maximum(
        np.linalg.norm(y, axis=-1), 1e-8
    )
    return 1 - (h * y).sum(axis=-1) / norms


def binary(z, y):
    return np.logaddexp(0, z) - z * y


# name: (output activation, closed form of what the output's activation reads, targets, whole)
NUMBERS = RNG.normal(size=(N, UNITS))
SIGNS = np.where(RNG.random((N, UNITS)) < 0.5, -1.0, 1.0)
COUNTS = RNG.poisson(2.0, (N, UNITS)).astype(float)
SHARES = RNG.dirichlet(np.ones(UNITS), N)
YES = (RNG.random((N, UNITS)) < 0.5).astype(float)
LABELS = RNG.integers(UNITS, size=N)
ONE_HOT = np.eye(UNITS)[LABELS]
softplus = lambda z: np.logaddexp(0, z)  # noqa: E731

CASES = {
    "mse": ("mse", "identity", lambda z, y: (z - y) ** 2, NUMBERS, False),
    "mae": ("mae", "identity", lambda z, y: np.abs(z - y), NUMBERS, False),
    "huber": ("huber", "identity", huber(1.0), NUMBERS, False),
    "huber 0.3": (
        vg.losses.Huber(0.3),
        "tanh",
        lambda z, y: huber(0.3)(np.tanh(z), y),
        NUMBERS,
        False,
    ),
    "log_cosh": ("log_cosh", "identity", lambda z, y: np.log(np.cosh(z - y)), NUMBERS, False),
    "hinge": ("hinge", "identity", lambda z, y: np.maximum(0, 1 - z * y), SIGNS, False),
    "squared_hinge": (
        *("squared_hinge", "tanh", lambda z, y: np.maximum(0, 1 - np.tanh(z) * y) ** 2),
        *(SIGNS, False),
    ),
    "poisson of a log-rate": ("poisson", "identity", lambda z, y: np.exp(z) - y * z, COUNTS, False),
    "poisson of softplus": (
        *("poisson", "softplus", lambda z, y: softplus(z) - y * np.log(softplus(z))),
        *(COUNTS, False),
    ),
    "cosine": ("cosine", "identity", cosine, NUMBERS, True),
    "binary": ("binary_crossentropy", "sigmoid", binary, SHARES, False),
    "multilabel": ("multilabel_crossentropy", "sigmoid", binary, YES, False),
    "categorical": (
        *("categorical_crossentropy", "softmax", lambda z, y: -(y * log_softmax(z)).sum(axis=-1)),
        *(SHARES, True),
    ),
    "sparse": (
        "sparse_categorical_crossentropy",
        "softmax",
        lambda z, y: -(np.eye(UNITS)[y] * log_softmax(z)).sum(axis=-1),
        LABELS,
        True,
    ),
    "kl": (
        "kl_divergence",
        "softmax",
        lambda z, y: (y * (np.log(y) - log_softmax(z))).sum(axis=-1),
        SHARES,
        True,
    ),
}
over_losses = pytest.mark.parametrize("case", CASES)
over_reductions = pytest.mark.parametrize("reduction", ["mean", "batchmean"])
over_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def bare(loss, output, dtype="float64", units=UNITS, **options):
    """A network whose pre-activations are its inputs."""
    model = vg.Sequential([vg.Dense(units, output)], input_shape=units, dtype=dtype)
    model.compile(loss, vg.SGD(0.1), on_nonfinite="ignore", **options)
    model.layers[0].weight, model.layers[0].bias = np.eye(units), np.zeros(units)
    return model


def of_rows(values, whole, reduction):
    """Each row's loss of the loss of its outputs."""
    if whole:
        return values
    return values.mean(axis=1) if reduction == "mean" else values.sum(axis=1)


@over_losses
@over_reductions
@over_dtypes
def test_values_and_gradients(case, reduction, dtype):
    loss, output, closed, y, whole = CASES[case]
    model = bare(loss, output, dtype, reduction=reduction)
    z = 2 * RNG.normal(size=(N, UNITS)).astype(dtype).astype(float)
    tolerance = 2e-5 if dtype == "float32" else 1e-10

    def total(z):
        return of_rows(closed(z, y), whole, reduction).mean()

    value, _, inputs = model.gradients(z, y, wrt_inputs=True)
    np.testing.assert_allclose(value, total(z), rtol=tolerance)
    np.testing.assert_allclose(model.evaluate(z, y).loss, total(z), rtol=tolerance)
    step = 1e-6
    expected = np.empty_like(z)
    for place in itertools.product(range(N), range(UNITS)):
        shift = np.zeros_like(z)
        shift[place] = step
        expected[place] = (total(z + shift) - total(z - shift)) / (2 * step)
    np.testing.assert_allclose(
        inputs.x, expected, rtol=max(1e-5, tolerance), atol=max(1e-8, tolerance / 100)
    )


@over_losses
@over_reductions
def test_sample_weights(case, reduction):
    """A mean of weight times loss over all samples, whatever they weigh."""
    loss, output, closed, y, whole = CASES[case]
    model = bare(loss, output, reduction=reduction)
    z = RNG.normal(size=(N, UNITS))
    weight = RNG.random(N) * (RNG.random(N) < 0.7)
    expected = (weight * of_rows(closed(z, y), whole, reduction)).mean()
    value, _, inputs = model.gradients(z, y, sample_weight=weight, wrt_inputs=True)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(
        model.evaluate(z, y, sample_weight=weight).loss, expected, rtol=1e-12
    )
    assert (inputs.x[weight == 0] == 0).all()
    plain = model.gradients(z, y, wrt_inputs=True)[2].x
    np.testing.assert_allclose(inputs.x, plain * weight[:, np.newaxis], rtol=1e-12, atol=1e-300)


@over_losses
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30], ids=str)
def test_a_row_that_weighs_nothing_spoils_nothing(case, bad):
    """Of a sample whose outputs are NaN or infinite neither loss nor gradient is left."""
    loss, output, _, y, _ = CASES[case]
    model = bare(loss, output)
    weight = np.ones(N)
    weight[4] = 0
    model.layers[0].weight = np.diag(np.full(UNITS, 1e300)) if bad != 1e30 else np.eye(UNITS)
    z = np.zeros((N, UNITS))
    z[4] = 1e30 if np.isfinite(bad) else 1e308
    value, gradients = model.gradients(z, y, sample_weight=weight)
    assert np.isfinite(value)
    rest = np.delete(np.arange(N), 4)
    alone, _ = model.gradients(z[rest], y[rest])
    np.testing.assert_allclose(value, alone * (N - 1) / N, rtol=1e-12)
    assert np.isfinite(gradients["dense1.bias"]).all()


@pytest.mark.parametrize("loss", ["binary_crossentropy", "multilabel_crossentropy"])
@pytest.mark.parametrize("output", ["sigmoid", "identity", "hard_sigmoid"])
def test_smoothing_of_yes_and_no(loss, output):
    model, plain = (bare(loss, output, label_smoothing=e) for e in (0.2, 0.0))
    z = RNG.normal(size=(N, UNITS))
    y = smoothed(YES, 0.2, 2)
    np.testing.assert_allclose(model.gradients(z, YES)[0], plain.gradients(z, y)[0], rtol=1e-12)
    np.testing.assert_allclose(
        model.gradients(z, YES)[1]["dense1.weight"],
        plain.gradients(z, y)[1]["dense1.weight"],
        rtol=1e-10,
    )


@pytest.mark.parametrize("output", ["softmax", "identity"])
@pytest.mark.parametrize("sparse", [True, False])
def test_smoothing_of_classes(output, sparse):
    name = "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy"
    model = bare(name, output, label_smoothing=0.1)
    plain = bare("categorical_crossentropy", output)
    z, y = RNG.normal(size=(N, UNITS)), smoothed(ONE_HOT, 0.1, UNITS)
    given = LABELS if sparse else ONE_HOT
    np.testing.assert_allclose(model.gradients(z, given)[0], plain.gradients(z, y)[0], rtol=1e-12)
    for name, gradient in plain.gradients(z, y)[1].items():
        np.testing.assert_allclose(model.gradients(z, given)[1][name], gradient, atol=1e-14)


@over_reductions
@pytest.mark.parametrize("ignored", [-100, 2, 255])
def test_what_is_ignored_is_as_if_it_were_not_there(ignored, reduction):
    model = bare(
        "sparse_categorical_crossentropy", "softmax", ignore_index=ignored, reduction=reduction
    )
    plain = bare("sparse_categorical_crossentropy", "softmax", reduction=reduction)
    z, y = RNG.normal(size=(N, UNITS)), LABELS.copy()
    y[[1, 5, 6]] = ignored
    kept = y != ignored
    value, gradients = model.gradients(z, y)
    expected, expected_gradients = plain.gradients(z[kept], y[kept])
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    for name, gradient in expected_gradients.items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-11, atol=1e-15)
    assert model.evaluate(z, y) == pytest.approx(tuple(plain.evaluate(z[kept], y[kept])))
    history = model.fit(z, y, batch_size=4, shuffle=False)
    assert np.isfinite(history["loss"]).all()


def test_a_batch_of_ignored_labels_teaches_nothing():
    model = bare("sparse_categorical_crossentropy", "softmax", ignore_index=-100)
    before = model.state_dict()
    z = RNG.normal(size=(N, UNITS))
    assert model.train_on_batch(z, np.full(N, -100)) == 0
    assert all((before[name] == value).all() for name, value in model.state_dict().items())
    assert model.evaluate(z, np.full(N, -100)).loss == 0


@over_losses
@over_dtypes
@pytest.mark.parametrize("size", [0.0, 1e-30, 30.0, 1e4])
def test_extreme_outputs_have_finite_losses_and_gradients(case, dtype, size):
    loss, output, _, y, _ = CASES[case]
    if case == "poisson of a log-rate" and size > 100:
        pytest.skip("a rate of e^10000 is infinite")
    model = bare(loss, output, dtype)
    z = np.where(RNG.random((N, UNITS)) < 0.5, size, -size)
    value, gradients = model.gradients(z, y)
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


@pytest.mark.parametrize(
    "output",
    [
        [vg.Dense(UNITS, "softplus")],
        [vg.Dense(UNITS), vg.Activation("softplus")],
        [vg.Dense(UNITS), vg.BatchNorm("softplus")],
        [vg.Dense(UNITS), vg.LayerNorm("softplus")],
        [vg.Residual([vg.Dense(UNITS)], activation="softplus")],
    ],
    ids=["dense", "activation", "batchnorm", "layernorm", "residual"],
)
def test_poisson_in_front_of_softplus_of_any_layer(output):
    """Gradients are those of central differences, and the record is that of a loss that is not fused."""
    model = vg.Sequential(output, input_shape=UNITS, dtype="float64", seed=0)
    model.compile("poisson")
    x, state = RNG.normal(size=(N, UNITS)), model.state_dict()
    flow = model.gradient_flow(x, COUNTS)
    for name, gradient in model.gradients(x, COUNTS)[1].items():
        losses = []
        for step in (1e-6, -1e-6):
            moved = state[name].copy()
            moved.flat[0] += step
            model.load_state_dict({**state, name: moved})
            losses.append(model.gradients(x, COUNTS)[0])
        expected = (losses[0] - losses[1]) / 2e-6
        np.testing.assert_allclose(gradient.flat[0], expected, rtol=1e-5, atol=1e-8)
    model.load_state_dict(state)
    model.compile("mse")
    plain = model.gradient_flow(x, COUNTS)
    for field in ("activation_mean", "activation_std", "saturated", "dead"):
        np.testing.assert_allclose(getattr(flow, field), getattr(plain, field), rtol=1e-12)


@over_losses
def test_threads_and_tracking_change_no_bit(case):
    loss, output, _, _, _ = CASES[case]

    def trained(threads, track):
        vg.set_num_threads(threads)
        model = vg.Sequential(
            [vg.Dense(700, "tanh"), vg.Dense(UNITS, output)], input_shape=300, seed=4
        )
        model.compile(loss, vg.SGD(0.01))
        rng = np.random.default_rng(0)
        x, places = rng.normal(size=(160, 300)), rng.integers(N, size=160)
        y = CASES[case][3][places]
        model.fit(x, y, batch_size=80, sample_weight=rng.random(160), track=track)
        return model.state_dict()

    before = vg.get_num_threads()
    try:
        first = trained(1, None)
        for threads, track in ((2, None), (3, vg.GradientFlow())):
            other = trained(threads, track)
            assert all(first[name].tobytes() == other[name].tobytes() for name in first)
    finally:
        vg.set_num_threads(before)


def test_targets_of_hinge_may_be_0_and_1():
    model = bare("hinge", "identity")
    z = RNG.normal(size=(N, UNITS))
    assert model.evaluate(z, SIGNS) == model.evaluate(z, (SIGNS + 1) / 2)


def test_accuracies():
    z = np.array([[0.2, -0.3], [-1.0, 2.0], [0.1, 0.4]])
    y = np.array([[1, 0], [0, 0], [1, 1]], float)
    labels = bare("multilabel_crossentropy", "sigmoid", units=2)
    assert labels.evaluate(z, y).accuracy == pytest.approx(5 / 6)
    assert bare("hinge", "identity", units=2).evaluate(z, y).accuracy == pytest.approx(5 / 6)
    assert bare("binary_crossentropy", "sigmoid", units=2).evaluate(z, y).accuracy == pytest.approx(
        1 / 3
    )
    assert labels.fit(z, y, shuffle=False)["accuracy"] == [pytest.approx(5 / 6)]


BAD = [
    ({"loss": "crossentropy"}, ["loss: ", "categorical_crossentropy"]),
    ({"loss": "mse", "label_smoothing": 0.1}, ["label_smoothing: ", "mse"]),
    ({"loss": "mse", "ignore_index": 3}, ["ignore_index: ", "mse"]),
    ({"loss": "categorical_crossentropy", "ignore_index": 1}, ["ignore_index: ", "integer labels"]),
    ({"loss": "sparse_categorical_crossentropy", "label_smoothing": 1.0}, ["label_smoothing: "]),
    ({"loss": "poisson"}, ["loss: ", "softplus", "softmax"]),
]


@pytest.mark.parametrize(("options", "fragments"), BAD, ids=str)
def test_what_does_not_fit_is_refused(options, fragments):
    model = vg.Sequential([vg.Dense(3, "softmax")], input_shape=3)
    with pytest.raises(ValueError, match=re.escape(fragments[0])) as caught:
        model.compile(**options)
    assert all(fragment in str(caught.value) for fragment in fragments)


@pytest.mark.parametrize("delta", [0, -1, np.nan, np.inf])
def test_a_bound_of_huber_is_above_0(delta):
    with pytest.raises(ValueError, match="delta: expected"):
        vg.losses.Huber(delta)


@pytest.mark.parametrize(
    ("case", "y", "fragments"),
    [
        ("hinge", np.full((N, UNITS), 0.5), ["hinge", "-1 and 1"]),
        ("hinge", np.full((N, UNITS), 2.0), ["hinge", "[-1, 1]"]),
        ("poisson of softplus", np.full((N, UNITS), -1.0), ["poisson", "at least 0"]),
        ("kl", np.full((N, UNITS), 1.5), ["kl_divergence", "[0, 1]"]),
    ],
)
def test_targets_out_of_range_are_refused(case, y, fragments):
    model = bare(*CASES[case][:2])
    with pytest.raises(ValueError, match=r"^y: ") as caught:
        model.train_on_batch(np.ones((N, UNITS)), y)
    assert all(fragment in str(caught.value) for fragment in fragments)


@pytest.mark.parametrize(
    ("loss", "output", "options"),
    [
        (vg.losses.Huber(0.25), "identity", {}),
        (
            "sparse_categorical_crossentropy",
            "softmax",
            {"ignore_index": -1, "label_smoothing": 0.2},
        ),
        ("multilabel_crossentropy", "sigmoid", {"metrics": ["accuracy", "mae"]}),
        ("log_cosh", "identity", {"metrics": ["r2"], "reduction": "batchmean"}),
    ],
)
def test_files_keep_the_loss(loss, output, options, tmp_path):
    model = bare(loss, output, **options)
    model.save(tmp_path / "model")
    loaded = vg.load(tmp_path / "model")
    assert loaded.loss == model.loss
    assert loaded.session.compiled.metrics == model.session.compiled.metrics
