"""Initializers: their statistics against closed forms, their structure, names and errors."""

import functools
import itertools
import math
import re

import numpy as np
import pytest

import vgcore as vg
from vgcore import elu, leaky_relu
from vgcore import initializers as vi

SHAPES = [(1, 1), (1, 7), (7, 1), (257, 33)]
EVERY = [
    vi.Zeros(),
    vi.Ones(),
    vi.Constant(-2.5),
    vi.Normal(0.5, 2.0),
    vi.Uniform(-3.0, 1.0),
    vi.TruncatedNormal(1.0, 0.5),
    *(
        vi.VarianceScaling(1.5, mode, distribution)
        for mode in ("fan_in", "fan_out", "fan_avg")
        for distribution in ("normal", "uniform")
    ),
    vi.Orthogonal(0.9),
    vi.Identity(2.0),
    vi.Sparse(0.3, 0.1),
    vi.Nielsen(),
    vi.Critical("tanh", 0.3),
    vi.Custom(lambda shape, rng, dtype: rng.standard_exponential(shape, dtype)),
]
every = pytest.mark.parametrize("init", EVERY, ids=repr)


def values(init, shape, seed=0, dtype=np.float64):
    return init(shape, np.random.default_rng(seed), dtype)


def assert_moments(x, mean, std):
    """Within five standard errors; that of the std holds for any kurtosis up to a normal's 3."""
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(x.size)
    assert abs(x.std() - std) < 5 * std / math.sqrt(2 * x.size)


def assert_normal_tails(x):
    """The fourth standardized moment is 3: a uniform's is 1.8, a cut normal's 2.4."""
    z = (x - x.mean()) / x.std()
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / x.size)


def assert_uniform_bounds(x, low, high):
    assert low <= x.min() < low + 1e-3 * (high - low)
    assert high - 1e-3 * (high - low) < x.max() <= high


@every
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_dtype_and_layout(init, shape, dtype):
    x = values(init, shape, dtype=dtype)
    assert x.shape == shape
    assert x.dtype == dtype
    assert x.flags.c_contiguous
    assert x.flags.writeable
    assert np.isfinite(x).all()


@every
def test_one_seed_one_result_and_float32_is_its_cast(init):
    x = values(init, (257, 33), seed=7)
    np.testing.assert_array_equal(x, values(init, (257, 33), seed=7))
    np.testing.assert_array_equal(x.astype(np.float32), values(init, (257, 33), 7, np.float32))


@every
def test_dtypes_leave_the_generator_in_one_state(init):
    ends = []
    for dtype in (np.float32, np.float64):
        rng = np.random.default_rng(3)
        init((7, 5), rng, dtype)
        ends.append(rng.random())
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "init", [i for i in EVERY if not isinstance(i, (vi.Constant, vi.Identity))], ids=repr
)
def test_seeds_differ(init):
    assert not np.array_equal(values(init, (33, 7), seed=1), values(init, (33, 7), seed=2))


def test_each_call_returns_a_new_array():
    kept = np.ones((2, 3))
    for init in (vi.Zeros(), vi.get(lambda shape, rng, dtype: kept)):
        x = values(init, (2, 3))
        x += 5
        assert not np.array_equal(values(init, (2, 3)), x)
    assert (kept == 1).all()


def test_constants():
    for init, expected in ((vi.Zeros(), 0.0), (vi.Ones(), 1.0), (vi.Constant(-2.5), -2.5)):
        assert (values(init, (5,)) == expected).all()
        assert (values(init, (4, 3, 2)) == expected).all()


def test_normal():
    x = values(vi.Normal(0.5, 2.0), (500, 300))
    assert_moments(x, 0.5, 2.0)
    assert_normal_tails(x)


def test_uniform():
    x = values(vi.Uniform(-3.0, 1.0), (500, 300))
    assert_moments(x, -1.0, 4 / math.sqrt(12))
    assert_uniform_bounds(x, -3.0, 1.0)


def test_truncated_normal():
    x = values(vi.TruncatedNormal(1.0, 0.5), (500, 300))
    density_at_2 = math.exp(-2) / math.sqrt(2 * math.pi)
    assert_moments(x, 1.0, 0.5 * math.sqrt(1 - 4 * density_at_2 / math.erf(math.sqrt(2))))
    assert_uniform_bounds(x, 0.0, 2.0)
    assert (values(vi.TruncatedNormal(1.0, 0.0), (3, 3)) == 1.0).all()


FANS = [  # shape, fan_in, fan_out
    ((500, 300), 300, 500),
    ((300, 500), 500, 300),
    ((60, 20, 5, 3), 300, 900),
]


@pytest.mark.parametrize(("shape", "fan_in", "fan_out"), FANS)
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_scaling(shape, fan_in, fan_out, mode):
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    std = 1.5 / math.sqrt(n)
    normal = values(vi.VarianceScaling(1.5, mode, "normal"), shape)
    uniform = values(vi.VarianceScaling(1.5, mode, "uniform"), shape)
    assert_moments(normal, 0.0, std)
    assert_normal_tails(normal)
    assert_moments(uniform, 0.0, std)
    assert_uniform_bounds(uniform, -math.sqrt(3) * std, math.sqrt(3) * std)


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("xavier", math.sqrt(2 / 800)),
        ("glorot", math.sqrt(2 / 800)),
        ("he", math.sqrt(2 / 300)),
        ("kaiming", math.sqrt(2 / 300)),
        ("lecun", math.sqrt(1 / 300)),
    ],
)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_textbook_names(name, std, distribution):
    x = values(vi.get(f"{name}_{distribution}", activation="relu"), (500, 300))
    assert_moments(x, 0.0, std)
    if distribution == "normal":
        assert_normal_tails(x)
    else:
        assert_uniform_bounds(x, -math.sqrt(3) * std, math.sqrt(3) * std)


@pytest.mark.parametrize("shape", [*SHAPES, (64, 64), (33, 257), (6, 4, 3, 3), (100, 4, 3, 3)])
def test_orthogonal_rows_or_columns(shape):
    w = values(vi.Orthogonal(0.9), shape).reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 0.81 * np.eye(len(gram)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 3), (2, 3), (3, 2)])
def test_orthogonal_is_haar_distributed(shape):
    """Entries have mean 0 and variance 1/3, det is ±1 evenly, a fixed rotation changes nothing.

    Without the sign fix LAPACK's Q has a first entry of one sign.
    """
    rng = np.random.default_rng(0)
    q = np.stack([vi.Orthogonal()(shape, rng, np.float64) for _ in range(4000)])
    assert (np.abs(q.mean(axis=0)) < 5 * math.sqrt(1 / 3 / 4000)).all()
    assert (np.abs((q**2).mean(axis=0) - 1 / 3) < 5 * math.sqrt(4 / 45 / 4000)).all()
    if shape == (3, 3):
        assert abs(np.linalg.det(q).mean()) < 5 / math.sqrt(4000)
        assert abs(np.trace(q, axis1=1, axis2=2).var() - 1) < 5 * math.sqrt(2 / 4000)


def test_negative_gain_of_an_orthogonal_flips_it():
    np.testing.assert_array_equal(
        values(vi.Orthogonal(-2.0), (5, 3)), -2.0 * values(vi.Orthogonal(), (5, 3))
    )


@pytest.mark.parametrize("shape", [*SHAPES, (4, 4)])
def test_identity(shape):
    expected = np.zeros(shape)
    for i in range(min(shape)):
        expected[i, i] = 0.5
    np.testing.assert_array_equal(values(vi.Identity(0.5), shape), expected)


@pytest.mark.parametrize("init", [vi.Orthogonal, vi.VarianceScaling, vi.Identity])
def test_gain_by_activation(init):
    for activation, gain in (
        ("tanh", 5 / 3),
        ("relu", math.sqrt(2)),
        (leaky_relu(0.5), math.sqrt(1.6)),
        (elu(3.0), math.sqrt(2)),
    ):
        np.testing.assert_array_equal(
            values(init(activation), (6, 4)), values(init(gain), (6, 4)), strict=True
        )
    assert repr(vi.Orthogonal("tanh")) == "Orthogonal(gain='tanh')"
    assert vi.get("orthogonal", "tanh") == vi.Orthogonal(1.0)


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.25, 0.5, 0.95])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sparse_zeros_per_column(shape, sparsity):
    w = values(vi.Sparse(sparsity, 1.0), shape)
    assert ((w == 0).sum(axis=0) == math.ceil(sparsity * shape[0])).all()


def test_sparse_values_and_places():
    w = values(vi.Sparse(0.25, 0.3), (400, 500))
    assert_moments(w[w != 0], 0.0, 0.3)
    assert_normal_tails(w[w != 0])
    zeros_per_row = (w == 0).mean(axis=1)
    assert (np.abs(zeros_per_row - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 500)).all()


def test_nielsen_scales_weights_and_not_biases():
    assert_moments(values(vi.Nielsen(), (500, 300)), 0.0, 1 / math.sqrt(300))
    assert_moments(values(vi.Nielsen(), (60, 20, 5, 3)), 0.0, 1 / math.sqrt(300))
    bias = values(vi.Nielsen(), (100_000,))
    assert_moments(bias, 0.0, 1.0)
    assert_normal_tails(bias)


def test_custom_function():
    seen = []

    def function(shape, rng, dtype):
        seen.append((shape, dtype))
        return np.full(shape, 3, dtype)

    x = values(vi.get(function), (2, 3), dtype=np.float32)
    assert x.dtype == np.float32
    assert (x == 3).all()
    assert seen == [((2, 3), np.float64)]


class Plain:
    def __call__(self, shape):
        return np.full(shape, 2.0)


OF_SHAPE_ALONE = [
    np.ones,
    np.zeros,
    np.random.default_rng(0).standard_normal,
    functools.partial(np.full, fill_value=0.5),
    lambda shape: np.arange(math.prod(shape)).reshape(shape),
    lambda shape, scale=0.5: scale * np.ones(shape),
    lambda shape: [[0.25] * shape[1]] * shape[0] if len(shape) > 1 else [0] * shape[0],
    Plain(),
]


@pytest.mark.parametrize("function", OF_SHAPE_ALONE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_function_of_the_shape_alone(function, dtype):
    x = values(vi.get(function), (2, 3), dtype=dtype)
    assert x.dtype == dtype
    if function is not OF_SHAPE_ALONE[2]:
        np.testing.assert_array_equal(x, np.asarray(function((2, 3)), dtype))


@pytest.mark.parametrize(
    "function",
    [
        lambda shape, rng, dtype: rng.normal(size=shape),
        lambda shape, generator, dtype=None: generator.normal(size=shape),
        lambda shape, rng=None, dtype=None: rng.normal(size=shape),
        lambda shape, generator=None, dtype=None: generator.normal(size=shape),
        lambda *given: given[1].normal(size=given[0]),
    ],
)
def test_a_function_that_takes_a_generator_gets_the_models(function):
    expected = np.random.default_rng(5).normal(size=(2, 3))
    np.testing.assert_array_equal(values(vi.get(function), (2, 3), seed=5), expected)


@pytest.mark.parametrize(
    "layer",
    [
        lambda f: vg.Dense(3, weight_initializer=f, bias_initializer=f),
        lambda f: vg.Conv1d(3, 2, weight_initializer=f, bias_initializer=f),
        lambda f: vg.GRU(3, weight_initializer=f, recurrent_initializer=f, bias_initializer=f),
        lambda f: vg.LSTM(3, num_layers=2, weight_initializer=f, recurrent_initializer=f,
                          bias_initializer=f, unit_forget_bias=False),
    ],
)  # fmt: skip
def test_a_function_of_the_shape_is_taken_wherever_an_initializer_is(layer, tmp_path):
    model = vg.Sequential([layer(lambda shape: np.full(shape, 0.125))], input_shape=(4, 3))
    model.save(tmp_path / "model")  # what an initializer has done is in the parameters
    for each in (model, vg.load(tmp_path / "model")):
        assert all((value == 0.125).all() for value in each.state_dict().values())


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda shape: np.ones(shape[::-1]), ValueError, r"dense1\.weight: .* shape \(3, 4\), got"),
        (lambda shape: np.full(shape, np.nan), ValueError, r"dense1\.weight: .*finite.*nan"),
        (lambda shape: 1.0, ValueError, r"dense1\.weight: .* shape \(3, 4\), got shape \(\)"),
        (lambda shape: np.full(shape, "x"), TypeError, r"dense1\.weight: .*real numbers"),
        (lambda: 1.0, TypeError, r"dense1\.weight: "),
    ],
)
def test_what_a_function_of_the_shape_gives_is_checked(function, error, message):
    with pytest.raises(error, match=message):
        vg.Sequential([vg.Dense(3, weight_initializer=function)], input_shape=4)


def test_gains():
    ones = ("identity", "linear", "sigmoid", "softplus", "softsign", "hard_sigmoid", "softmax")
    assert {vi.gain(name) for name in ones} == {1.0}
    assert {vi.gain(name) for name in ("relu", "elu", "gelu", "silu")} == {math.sqrt(2)}
    assert vi.gain("tanh") == 5 / 3
    assert vi.gain("selu") == 3 / 4
    assert vi.gain("leaky_relu") == pytest.approx(math.sqrt(2 / (1 + 0.01**2)), rel=1e-15)
    assert vi.gain("leaky_relu", negative_slope=1) == pytest.approx(1, rel=1e-15)
    assert vi.gain(leaky_relu(1.0)) == pytest.approx(1, rel=1e-15)
    assert vi.get("he_normal", leaky_relu(1.0)).gain == pytest.approx(1, rel=1e-15)


@pytest.mark.parity
def test_gains_are_those_of_torch():
    init = pytest.importorskip("torch").nn.init
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert vi.gain(name) == pytest.approx(init.calculate_gain(name), rel=1e-15)
    for slope in (0.2, 0.5, 3.0, -1.0):
        expected = init.calculate_gain("leaky_relu", slope)
        assert vi.gain("leaky_relu", negative_slope=slope) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parity
@pytest.mark.parametrize("shape", [(500, 300), (60, 20, 5, 3)])
@pytest.mark.parametrize(
    ("ours", "theirs", "kwargs"),
    [
        (vi.Normal(0.5, 2.0), "normal_", {"mean": 0.5, "std": 2.0}),
        (vi.Uniform(-3, 1), "uniform_", {"a": -3.0, "b": 1.0}),
        (
            vi.TruncatedNormal(1.0, 0.5),
            "trunc_normal_",
            {"mean": 1.0, "std": 0.5, "a": 0.0, "b": 2.0},
        ),
        (vi.get("xavier_normal"), "xavier_normal_", {}),
        (vi.get("xavier_uniform"), "xavier_uniform_", {}),
        (vi.get("he_normal", "tanh"), "kaiming_normal_", {"nonlinearity": "tanh"}),
        (vi.get("he_uniform", "relu"), "kaiming_uniform_", {"nonlinearity": "relu"}),
        (
            vi.VarianceScaling(vi.gain("relu"), "fan_out"),
            "kaiming_normal_",
            {"nonlinearity": "relu", "mode": "fan_out"},
        ),
        (vi.Orthogonal(0.9), "orthogonal_", {"gain": 0.9}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_moments_are_those_of_torch(shape, ours, theirs, kwargs):
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    y = torch.empty(shape, dtype=torch.float64)
    y = getattr(torch.nn.init, theirs)(y, generator=generator, **kwargs).numpy()
    x = values(ours, shape)
    assert abs(x.mean() - y.mean()) < 5 * y.std() * math.sqrt(2 / y.size)
    assert abs(x.std() - y.std()) < 5 * y.std() / math.sqrt(y.size)


@pytest.mark.parity
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_structure_is_that_of_torch(shape):
    torch = pytest.importorskip("torch")
    eye = torch.nn.init.eye_(torch.empty(shape, dtype=torch.float64)).numpy()
    np.testing.assert_array_equal(values(vi.Identity(), shape), eye)
    for sparsity in (0.07, 0.1, 0.5, 0.9):
        sparse = torch.nn.init.sparse_(torch.empty(shape, dtype=torch.float64), sparsity, 1.0)
        ours = values(vi.Sparse(sparsity, 1.0), shape)
        np.testing.assert_array_equal((ours == 0).sum(axis=0), (sparse.numpy() == 0).sum(axis=0))


def test_both_spellings_are_equal():
    for (ours, theirs), distribution in itertools.product(
        (("xavier", "glorot"), ("he", "kaiming")), ("normal", "uniform")
    ):
        for activation in ("identity", "relu", "tanh"):
            a = vi.get(f"{ours}_{distribution}", activation)
            b = vi.get(f"{theirs}_{distribution}", activation)
            assert a == b
            assert a.distribution == distribution
    assert vi.get("truncated_normal") == vi.get("trunc_normal") == vi.TruncatedNormal()


def test_he_takes_the_gain_of_the_activation_and_others_do_not():
    assert vi.get("he_normal", "tanh") == vi.VarianceScaling(5 / 3, "fan_in", "normal")
    assert vi.get("kaiming_uniform") == vi.VarianceScaling(1.0, "fan_in", "uniform")
    assert vi.get("xavier_normal", "tanh") == vi.VarianceScaling(1.0, "fan_avg", "normal")
    assert vi.get("lecun_uniform", "tanh") == vi.VarianceScaling(1.0, "fan_in", "uniform")


def test_every_name_gives_an_initializer_of_weights():
    assert len(vi.names()) == len(set(vi.names())) == 22
    for name in vi.names():
        init = vi.get(name)
        assert isinstance(init, vi.Initializer)
        assert values(init, (12, 5), dtype=np.float32).shape == (12, 5)


def test_get_returns_an_initializer_unchanged():
    init = vi.Normal(0, 0.1)
    assert vi.get(init) is init


def test_a_subclass_is_an_initializer():
    class Checkerboard(vi.Initializer):
        def draw(self, shape, rng):
            return (-1.0) ** np.indices(shape).sum(axis=0)

    assert values(vi.get(Checkerboard()), (2, 2), dtype=np.float32).tolist() == [[1, -1], [-1, 1]]


def test_repr_is_the_call_that_makes_it():
    assert repr(vi.Zeros()) == "Zeros()"
    assert repr(vi.Normal(std=np.float32(0.5))) == "Normal(mean=0.0, std=0.5)"
    assert repr(vi.get("glorot_uniform")) == (
        "VarianceScaling(gain=1.0, mode='fan_avg', distribution='uniform')"
    )
    for init in EVERY[:-1]:
        assert eval(repr(init), vars(vi)) == init


BAD_PARAMETERS = [
    (lambda: vi.Constant(math.nan), ValueError, "value: expected a finite number, got nan"),
    (lambda: vi.Constant("1"), TypeError, "value: expected a number, got '1' (str)"),
    (lambda: vi.Normal(mean=math.inf), ValueError, "mean: expected a finite number, got inf"),
    (lambda: vi.Normal(std=-1), ValueError, "std: expected a finite number of at least 0, got -1"),
    (lambda: vi.Normal(std=True), TypeError, "std: expected a number, got True (bool)"),
    (
        lambda: vi.TruncatedNormal(std=-0.5),
        ValueError,
        "std: expected a finite number of at least 0, got -0.5",
    ),
    (lambda: vi.TruncatedNormal(None), TypeError, "mean: expected a number, got None (NoneType)"),
    (lambda: vi.Uniform(-math.inf), ValueError, "low: expected a finite number, got -inf"),
    (lambda: vi.Uniform(1, 1), ValueError, "high: expected a finite number above 1, got 1"),
    (lambda: vi.Uniform(2, 1), ValueError, "high: expected a finite number above 2, got 1"),
    (
        lambda: vi.VarianceScaling(-1),
        ValueError,
        "gain: expected a finite number of at least 0, got -1",
    ),
    (
        lambda: vi.VarianceScaling(mode="fan_inn"),
        ValueError,
        "mode: expected one of fan_in, fan_out, fan_avg; got 'fan_inn'; did you mean 'fan_in'",
    ),
    (
        lambda: vi.VarianceScaling(distribution="gauss"),
        ValueError,
        "distribution: expected one of normal, uniform; got 'gauss'",
    ),
    (lambda: vi.Orthogonal(math.nan), ValueError, "gain: expected a finite number, got nan"),
    (lambda: vi.Identity(math.inf), ValueError, "gain: expected a finite number, got inf"),
    (
        lambda: vi.Sparse(1.0),
        ValueError,
        "sparsity: expected a finite number of at least 0 and below 1, got 1",
    ),
    (
        lambda: vi.Sparse(-0.1),
        ValueError,
        "sparsity: expected a finite number of at least 0 and below 1, got -0.1",
    ),
    (
        lambda: vi.Sparse(std=-1),
        ValueError,
        "std: expected a finite number of at least 0, got -1",
    ),
    (lambda: vi.Orthogonal("tahn"), ValueError, "gain: expected one of identity, linear,"),
    (lambda: vi.Orthogonal(None), TypeError, "gain: expected a number, got None (NoneType)"),
    (
        lambda: vi.gain("rellu"),
        ValueError,
        "activation: expected one of identity, linear,",
    ),
    (lambda: vi.gain(3), TypeError, "activation: expected a name (str), got int"),
    (
        lambda: vi.gain("leaky_relu", slope=0.1),
        TypeError,
        "gain: leaky_relu takes no parameter slope",
    ),
    (
        lambda: vi.gain("relu", negative_slope=0.1),
        TypeError,
        "gain: relu takes no parameter negative_slope",
    ),
    (
        lambda: vi.gain("leaky_relu", negative_slope=math.nan),
        ValueError,
        "negative_slope: expected a finite number, got nan",
    ),
    (
        lambda: vi.get("he_normal", activation="tahn"),
        ValueError,
        "activation: expected one of identity, ",
    ),
    (
        lambda: vi.get(3, argument="bias_init"),
        TypeError,
        "bias_init: expected a name, an Initializer or a function of shape or (shape, rng, dtype), got 3",
    ),
    (lambda: vi.get(None), TypeError, "initializer: expected a name, an Initializer or"),
    (lambda: vi.get(vi.Zeros), TypeError, "initializer: expected a name, an Initializer or"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_PARAMETERS)
def test_bad_parameters_are_named(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_unknown_name_gives_the_near_ones():
    with pytest.raises(ValueError, match=r"^weight_init: expected one of zeros, ") as caught:
        vi.get("xavier_unifrm", argument="weight_init")
    assert "got 'xavier_unifrm'; did you mean 'xavier_uniform'" in str(caught.value)


@pytest.mark.parametrize(
    ("init", "shape", "layout"),
    [
        (vi.Orthogonal(), (5,), "(out, in, ...)"),
        (vi.VarianceScaling(), (5,), "(out, in, ...)"),
        (vi.Identity(), (5,), "(out, in)"),
        (vi.Identity(), (5, 4, 3), "(out, in)"),
        (vi.Sparse(), (5,), "(out, in)"),
        (vi.Sparse(), (5, 4, 3), "(out, in)"),
    ],
)
def test_wrong_number_of_dimensions(init, shape, layout):
    message = f"{type(init).__name__}: expected a weight of shape {layout}, got shape {shape}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        values(init, shape)


def test_custom_function_of_the_wrong_shape():
    init = vi.get(lambda shape, rng, dtype: np.zeros(shape[::-1], dtype))
    with pytest.raises(ValueError, match=r"expected values of shape \(2, 3\), got shape \(3, 2\)"):
        values(init, (2, 3))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((5, np.random.default_rng(0), np.float32), TypeError, "shape: expected a tuple of one or"),
        (((), np.random.default_rng(0), np.float32), TypeError, "shape: expected a tuple of one"),
        (((2, 0), np.random.default_rng(0), np.float32), ValueError, "shape: expected an integer"),
        (((2, 3), 0, np.float32), TypeError, "rng: expected a numpy.random.Generator, got int"),
        (
            ((2, 3), np.random.default_rng(0), np.int32),
            ValueError,
            "dtype: expected float32 or float64",
        ),
    ],
)
def test_bad_calls_are_named(arguments, error, message):
    with pytest.raises(error) as caught:
        vi.Zeros()(*arguments)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("start", "dtype", "message"),
    [
        (lambda shape, rng, dtype: np.full(shape, np.nan), "float64", "finite float64 .*got nan"),
        (lambda shape, rng, dtype: np.full(shape, np.inf), "float64", "finite float64 .*got inf"),
        (vi.Constant(1e39), "float32", "Constant.*finite float32 .*got inf"),
        (vi.Normal(std=1e300), "float32", "Normal.*finite float32"),
        (vi.Uniform(-1e300, 1e300), "float32", "Uniform.*finite float32"),
        (vi.Orthogonal(1e300), "float32", "Orthogonal.*finite float32"),
        (vi.VarianceScaling(1e300), "float32", "VarianceScaling.*finite float32"),
        (vi.Sparse(std=1e300), "float32", "Sparse.*finite float32"),
        (lambda shape, rng, dtype: "text", "float32", "shape"),
        (lambda shape, rng, dtype: np.full(shape, "text"), "float32", "real numbers"),
        (lambda shape, rng, dtype: np.full(shape, 1j), "float32", "real numbers"),
        (lambda shape, rng, dtype: None, "float32", "shape"),
    ],
)
@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda start: vg.Dense(30, weight_initializer=start), "dense1.weight"),
        (lambda start: vg.RNN(30, weight_initializer=start), "rnn1.weight_ih"),
        (
            lambda start: vg.Residual([vg.Dense(40, weight_initializer=start)]),
            "residual1.dense1.weight",
        ),
    ],
)
def test_values_that_are_no_finite_numbers_are_refused_by_name(start, dtype, message, layer, name):
    made = layer(start)
    shape = (None, 40) if name.startswith("rnn") else 40
    with pytest.raises((TypeError, ValueError), match=f"^{name}: .*{message}"):
        vg.Sequential([made], input_shape=shape, dtype=dtype, seed=0)
    assert made.name is None
    assert not made.views


def test_values_that_a_wider_dtype_holds_are_no_fault():
    model = vg.Sequential(
        [vg.Dense(2, weight_initializer=vi.Constant(1e39))], input_shape=3, dtype="float64"
    )
    assert (model.layers[0].weight == 1e39).all()
