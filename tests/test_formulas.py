"""Formulas: what they compute, their slopes, what they refuse, and that they are activations like others."""

import copy
import math
import pickle

import numpy as np
import pytest
from processes import run_python
from reference import ACTIVATIONS, DTYPES
from scipy import special

import vgcore as vg
from vgcore import _formulas
from vgcore._core import kernels, simd

formula = vg.activations.formula
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
TOLERANCE = {"float32": 5e-6, "float64": 1e-13}


def same_bits(a, b):
    np.testing.assert_array_equal(a.view(f"u{a.itemsize}"), b.view(f"u{b.itemsize}"))


# The text is also what NumPy and SciPy compute from these names
NUMPY = {
    name: getattr(np, name)
    for name in [
        "where",
        "exp",
        "log",
        "log1p",
        "sqrt",
        "abs",
        "sign",
        "minimum",
        "maximum",
        "sin",
        "cos",
        "tanh",
        "pi",
        "e",
    ]
} | {"sigmoid": special.expit, "softplus": lambda z: np.logaddexp(0, z), "erf": special.erf}
SMOOTH = [
    "z",
    "z * sigmoid(1.702 * z)",
    "2 - z / 3",
    "-z ** 2 + 0.5 * z - 1",
    "0.5 * z * (1 + erf(z / sqrt(2)))",
    "0.5 * z * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 * z ** 3)))",
    "z * tanh(softplus(z))",
    "z + sin(2 * z) ** 2 / 2",
    "cos(3 * z) * exp(-z * z / 2)",
    "log(1 + z ** 2) - log1p(exp(-z))",
    "1 / (1 + z * z)",
    "(2 + z * z) ** -2 * e ** (-z ** 2)",
    "(1 + z ** 2) ** 0.37",
    "(2 + cos(z)) ** z",
    "2 ** z",
    "sqrt(1 + z ** 2) - 1",
    "tanh(tanh(z) + tanh(z) * tanh(z)) - (z - 1) / (3 + z * z)",
    "softplus(z) - sigmoid(-z) * z ** 7 / 1000",
]
KINKED = {
    "where(z > 0, z, 0)": (0,),
    "maximum(z, 0.1 * z) - minimum(z, 2)": (0, 2),
    "abs(z - 1.25) + sign(z + 1)": (-1, 1.25),
    "(-1 < z < 1) * z + (z >= 1) - (z <= -1)": (-1, 1),
    "where(z == 0.5, 7, z) * where(z != 0.25, 1, 3)": (0.25, 0.5),
    "z * minimum(maximum(z + 3, 0), 6) / 6": (-3, 3),
}


def evaluate(f, z, dtype="float64"):
    """Value and slope."""
    x, h, slope = (kernels.matrix(*np.atleast_2d(z).shape, dtype) for _ in range(3))
    x[...], slope[...] = z, 1
    kernels.activation(h, x, f.function)
    kernels.activation_backward(slope, h, x, f.function)
    return h.reshape(np.shape(z)), slope.reshape(np.shape(z))


def as_arrays(text):
    """Comparisons as libraries of arrays write them."""
    text = text.replace("(-1 < z < 1) * z", "1.0 * ((-1 < z) & (z < 1)) * z")
    return text.replace("(z >= 1) - (z <= -1)", "1.0 * (z >= 1) - 1.0 * (z <= -1)")


def by_numpy(text, z, **parameters):
    with np.errstate(all="ignore"):
        return eval(as_arrays(text), {**NUMPY, "z": z, **parameters}) + 0 * z


# ---- values and slopes


@over_dtypes
@pytest.mark.parametrize("text", [*SMOOTH, *KINKED])
def test_values_are_those_of_numpy(text, dtype):
    z = np.concatenate([np.linspace(-8, 8, 1003), [-1, 0, 0.25, 0.5, 1, 1.25, 2, 3, -3]]).astype(
        dtype
    )
    want = by_numpy(text, z.astype(float))
    got, _ = evaluate(formula(text), z, dtype)
    near = np.isfinite(want)
    error = np.abs(got[near] - want[near])
    assert (error <= TOLERANCE[dtype] * np.maximum(1, np.abs(want[near]))).all()


@pytest.mark.parametrize("text", [*SMOOTH, *KINKED])
def test_slopes_are_those_of_central_differences(text):
    rng, step = np.random.default_rng(1), 1e-5
    z = rng.uniform(-5, 5, 500)
    kinks = np.array(KINKED.get(text, (99.0,)))
    z = z[np.abs(z[:, np.newaxis] - kinks).min(axis=1) > 2 * step]
    f = formula(text)
    above, below = evaluate(f, z + step)[0], evaluate(f, z - step)[0]
    want = (above - below) / (2 * step)
    np.testing.assert_allclose(
        evaluate(f, z)[1], want, rtol=2e-7, atol=2e-8 * max(1, abs(want).max())
    )


@pytest.mark.parity
@pytest.mark.parametrize("text", [*SMOOTH, *KINKED])
def test_slopes_are_those_of_pytorch(text):
    torch = pytest.importorskip("torch")
    names = {
        name: getattr(torch, name)
        for name in [
            "where",
            "exp",
            "log",
            "log1p",
            "sqrt",
            "abs",
            "sign",
            "sin",
            "cos",
            "tanh",
            "sigmoid",
            "erf",
        ]
    } | {"pi": math.pi, "e": math.e, "softplus": torch.nn.functional.softplus}
    of = lambda f: lambda *sides: f(*(torch.as_tensor(s, dtype=torch.float64) for s in sides))  # noqa: E731
    names |= {"minimum": of(torch.minimum), "maximum": of(torch.maximum), "sqrt": of(torch.sqrt)}
    names["where"] = lambda c, a, b: torch.where(
        c, torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    )
    z = np.concatenate([np.random.default_rng(2).normal(size=300) * 3, [-1.0, 1.0, 1.25, 2.0]])
    leaf = torch.tensor(z, requires_grad=True)
    value = eval(as_arrays(text), {**names, "z": leaf})
    (slope,) = torch.autograd.grad(value.sum(), leaf)
    ours, our_slope = evaluate(formula(text), z)
    np.testing.assert_allclose(ours, value.detach(), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(our_slope, slope, rtol=1e-9, atol=1e-11)


@over_dtypes
@pytest.mark.parametrize("name", ["sin", "cos", "erf", "log", "log1p", "exp", "sqrt", "tanh"])
def test_functions_are_within_a_few_ulp(name, dtype):
    """At small, ordinary and large arguments, near multiples of pi / 2 and at special ones."""
    rng = np.random.default_rng(3)
    positive = name in ("log", "sqrt")
    z = np.concatenate(
        [scale * rng.uniform(-1, 1, 400) for scale in (1e-6, 0.5, 1.0, 10.0, 300.0, 1e6)]
        + [np.arange(-300, 300) * math.pi / 2]
    ).astype(dtype)
    z = np.abs(z) if positive else z[z > -1] if name == "log1p" else z
    if name == "exp":
        z = z[np.abs(z) < 80]
    got, _ = evaluate(formula(f"{name}(z)"), z, dtype)
    function = special.erf if name == "erf" else getattr(np, name)
    kind = "float64" if dtype == "float32" or name == "erf" else "longdouble"
    with np.errstate(divide="ignore"):
        want = function(z.astype(kind))
    finite = np.isfinite(want)
    ulp = np.spacing(np.abs(want[finite]).astype(dtype)).astype(kind)
    assert (np.abs(got[finite] - want[finite]) / np.maximum(ulp, np.finfo(dtype).tiny) < 4).all()
    assert np.array_equal(got[~finite], want[~finite].astype(dtype))


@over_dtypes
def test_special_arguments(dtype):
    z = np.array([np.nan, np.inf, -np.inf, 0.0, np.finfo(dtype).max])
    for text, want in {
        "log(z)": [np.nan, np.inf, np.nan, -np.inf, math.log(np.finfo(dtype).max)],
        "log1p(z)": [np.nan, np.inf, np.nan, 0, math.log(np.finfo(dtype).max)],
        "erf(z)": [np.nan, 1, -1, 0, 1],
        "sign(z)": [np.nan, 1, -1, 0, 1],
        "where(z > 0, 1, 2)": [np.nan, 1, 2, 2, 1],
        "z == 0": [np.nan, 0, 0, 1, 0],
        "minimum(z, 1)": [np.nan, 1, -np.inf, 0, 1],
        "tanh(z)": [np.nan, 1, -1, 0, 1],
        "softplus(z)": [np.nan, np.inf, 0, math.log(2), np.finfo(dtype).max],
    }.items():
        np.testing.assert_allclose(evaluate(formula(text), z, dtype)[0], want, rtol=2e-6)
    assert np.isnan(evaluate(formula("sin(z) + cos(z)"), z[:3], dtype)[0]).all()
    largest = evaluate(formula("sin(z)"), z[4:], dtype)[0]
    np.testing.assert_allclose(largest, np.sin(z[4:].astype(dtype)), rtol=1e-6)


@over_dtypes
def test_slopes_where_two_sides_meet(dtype):
    for text, want in {
        "maximum(z, 0)": 0.5,
        "minimum(z, 0)": 0.5,
        "abs(z)": 0,
        "where(z > 0, z, 0)": 0,
        "where(z >= 0, z, 0)": 1,
        "sign(z)": 0,
    }.items():
        assert evaluate(formula(text), np.zeros(3), dtype)[1].tolist() == [want] * 3


@over_dtypes
@pytest.mark.parametrize("width", [1, 3, 16, 21, 70, 300, 1100])
def test_bits_do_not_depend_on_where_a_number_lies(width, dtype):
    """Nor on how many rows run at once."""
    f = formula("z * sigmoid(1.3 * z) + sin(z) ** 3 / (1 + z ** 2)")
    z = np.random.default_rng(width).normal(size=(37, width)).astype(dtype)
    whole = evaluate(f, z, dtype)
    for row in (0, 5, 36):
        one = evaluate(f, z[row : row + 1], dtype)
        single = evaluate(f, z[row : row + 1, -1:], dtype)
        for a, b, c in zip(whole, one, single, strict=True):
            same_bits(a[row], b[0])
            same_bits(a[row, -1:], c[0])


@over_dtypes
def test_a_relu_by_formula_has_the_bits_of_relu(dtype):
    z = np.concatenate([np.random.default_rng(0).normal(size=100), [0.0, -0.0, np.inf, -np.inf]])
    for ours, theirs in zip(
        evaluate(formula("where(z > 0, z, 0)"), z, dtype),
        evaluate(vg.activations.get("relu"), z, dtype),
        strict=True,
    ):
        same_bits(ours, theirs)


def test_what_is_written_twice_is_computed_once_and_constants_at_no_time():
    program = _formulas.compiled("(exp(z) + 2 * 3) / (exp(z) + sqrt(36.0))")
    assert [name for name, *_ in program.instructions] == ["exp", "add", "divide"]
    assert program.constants == [6]
    assert len(_formulas.compiled("z ** 8").instructions) == 3
    registers = {each[1] for each in _formulas.compiled(" + ".join(["sin(z)"] * 30)).instructions}
    assert len(registers) <= 2


LEVELS = """
import hashlib
import numpy as np
import vgcore as vg
from vgcore._core import kernels
rng = np.random.default_rng(0)
for text in {texts!r}:
    f = vg.activations.formula(text).function
    for dtype in ("float32", "float64"):
        z, h, s = (kernels.matrix(9, 67, dtype) for _ in range(3))
        z[...], s[...] = rng.normal(size=(9, 67)), 1
        kernels.activation(h, z, f)
        kernels.activation_backward(s, h, z, f)
        print(*h[:, ::9].ravel(), *s[:, ::9].ravel())
"""


@pytest.mark.parametrize("level", simd.levels()[:-1])
def test_levels_agree(level, monkeypatch):
    texts = [*SMOOTH, *KINKED]
    script = LEVELS.format(texts=texts)
    widest = run_python(script)
    monkeypatch.setenv("VGCORE_CPU", level)
    narrow = run_python(script)
    for i, (ours, theirs) in enumerate(
        zip(widest.stdout.splitlines(), narrow.stdout.splitlines(), strict=True)
    ):
        a, b = np.array(ours.split(), float), np.array(theirs.split(), float)
        tolerance = 2e-5 if i % 2 == 0 else 1e-12
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=texts[i // 2])


# ---- the steepest slope, and kinks


@pytest.mark.parametrize(
    ("text", "steepest"),
    [
        ("tanh(z)", 1),
        ("sigmoid(3 * z)", 0.75),
        ("z + sin(z) ** 2", 2),
        ("0.5 * z * (1 + erf(z / sqrt(2)))", 1.1289041451),
        ("where(z < 0, 5 * z, z)", 5),
        ("where(z < 0, 0.3, 2)", 0),
        ("exp(-z * z)", math.sqrt(2 / math.e)),
        ("z ** 2", math.nan),
        ("exp(z)", math.nan),
        ("sqrt(abs(z))", math.nan),
        ("log(z)", math.nan),
        ("z * log(abs(z) + 1)", math.nan),
    ],
)
def test_the_steepest_slope_is_found_or_there_is_none(text, steepest):
    assert formula(text).steepest == pytest.approx(steepest, rel=1e-8, nan_ok=True)


@pytest.mark.parametrize("text", ["z", *SMOOTH, *KINKED])
def test_kinks_are_found(text):
    assert formula(text).kinks == pytest.approx(KINKED.get(text, ()), abs=1e-8)


def test_what_is_saturated_is_known_where_slopes_have_a_bound():
    x, y = np.random.default_rng(0).normal(size=(30, 4)) * 3, np.zeros((30, 2))

    def saturated(activation, layer):
        model = vg.Sequential([layer(activation), vg.Dense(2)], input_shape=(None, 4), seed=0)
        model.compile("mse")
        return model.gradient_flow(x[:, np.newaxis], y).saturated[0, 0]

    def dense(activation):
        return vg.LSTM(17, activation, recurrent_activation="sigmoid")

    def rnn(activation):
        return vg.RNN(17, activation)

    for layer in (dense, rnn):
        np.testing.assert_allclose(
            saturated(formula("tanh(z)"), layer), saturated("tanh", layer), rtol=1e-6
        )
    assert saturated("tanh", rnn) > 0
    assert np.isnan(saturated(formula("tanh(z) + 0 * z ** 2 + z ** 3 * 1e-3"), rnn))


# ---- wherever an activation is


def models(activation):
    gate = formula("minimum(maximum(0.2 * z + 0.5, 0), 1)")
    yield (4,), [vg.Dense(9, activation, weight_initializer="he_normal"), vg.Dense(2)]
    yield (4,), [vg.Dense(9), vg.Activation(activation), vg.Dense(2)]
    yield (4,), [vg.Dense(9), vg.BatchNorm(activation), vg.Dense(2)]
    yield (4,), [vg.Dense(9), vg.LayerNorm(activation), vg.Dense(2)]
    yield (4,), [vg.Highway(activation, gate_activation=gate), vg.Dense(2)]
    yield (4,), [vg.Residual([vg.Dense(4)], activation=activation), vg.Dense(2)]
    yield (5, 4), [vg.Conv1d(3, 2, activation=activation), vg.Flatten(), vg.Dense(2)]
    yield (5, 4), [vg.RNN(6, activation), vg.Dense(2)]
    yield (5, 4), [vg.LSTM(6, activation, recurrent_activation=gate), vg.Dense(2)]
    yield (5, 4), [vg.GRU(6, activation, recurrent_activation=gate), vg.Dense(2)]


@pytest.mark.parametrize("index", range(10))
def test_gradients_in_every_layer(index, tmp_path):
    """By central differences; and files and copies."""
    shape, layers = list(models(formula("z * sigmoid(1.702 * z)")))[index]
    model = vg.Sequential(layers, input_shape=shape, dtype="float64", seed=0)
    model.compile("mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, *shape)), rng.normal(size=(8, 2))
    _, gradients = model.gradients(x, y)
    state = model.state_dict()
    for name, gradient in gradients.items():
        for place in rng.integers(0, gradient.size, 3):
            sides = []
            for step in (1e-6, -1e-6):
                moved = state[name].copy()
                moved.flat[place] += step
                model.load_state_dict({**state, name: moved})
                sides.append(model.gradients(x, y)[0])
            difference = (sides[0] - sides[1]) / 2e-6
            assert gradient.flat[place] == pytest.approx(difference, rel=1e-5, abs=1e-8)
    model.load_state_dict(state)
    model.save(tmp_path / "model.npz")
    for other in (
        vg.load(tmp_path / "model.npz"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ):
        same_bits(other.predict(x), model.predict(x))


@over_dtypes
def test_training_has_the_same_bits_for_any_threads_tracked_or_not(dtype):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 20)), rng.integers(0, 3, 200)
    f = formula("z * tanh(softplus(b * z)) + c * sin(z)", b=1.0, c=0.1)
    states = []
    threads = vg.get_num_threads()
    try:
        for number, track in ((1, None), (2, None), (3, vg.GradientFlow())):
            vg.set_num_threads(number)
            model = vg.Sequential(
                [
                    vg.Dense(70, formula("z * sigmoid(1.702 * z)")),
                    vg.Dense(41),
                    vg.Activation(f),
                    vg.Dense(3, "softmax"),
                ],
                input_shape=20,
                dtype=dtype,
                seed=0,
            )
            model.compile("sparse_categorical_crossentropy", "adam")
            model.fit(x, y, epochs=3, track=track)
            states.append(model.state_dict())
    finally:
        vg.set_num_threads(threads)
    for other in states[1:]:
        for name, value in states[0].items():
            same_bits(value, other[name])


def test_theory_and_gains_take_formulas():
    for text, name in {
        "tanh(z)": "tanh",
        "where(z > 0, z, 0)": "relu",
        "sigmoid(z)": "sigmoid",
    }.items():
        f = formula(text)
        assert vg.critical(f) == pytest.approx(vg.critical(name), rel=1e-9)
        assert vg.meanfield.chi(f, 1.3) == pytest.approx(vg.meanfield.chi(name, 1.3), rel=1e-9)
    assert vg.initializers.gain(formula("where(z > 0, z, 0)")) == pytest.approx(math.sqrt(2))
    assert vg.initializers.gain(formula("z + 0 * z")) == pytest.approx(1)
    shifted = formula("maximum(z - 1.3, 0)")
    assert vg.initializers.gain(shifted) == pytest.approx(
        1
        / math.sqrt(
            (1 + 1.3**2) * special.ndtr(-1.3)
            - 1.3 * math.exp(-(1.3**2) / 2) / math.sqrt(2 * math.pi)
        ),
        rel=1e-10,
    )
    vg.initializers.Critical(formula("tanh(z)"), 0.3)
    with pytest.raises(ValueError, match="activation: expected a formula with a mean square"):
        vg.initializers.gain(formula("log(z)"))


def test_formulas_are_equal_by_value_and_say_what_they_are():
    f, g = formula("z * sigmoid(b * z)", b=1), formula("  z * sigmoid(b * z)", b=1.0)
    assert f == g and hash(f) == hash(g)
    assert f != formula("z * sigmoid(b * z)", b=2)
    assert f != formula("z * sigmoid(b * z)", b=1, shared=True)
    assert eval(repr(f), {"formula": formula}) == f
    assert pickle.loads(pickle.dumps(f)) == copy.copy(f) == f
    assert str(formula("tanh(z)")) == "formula('tanh(z)')"
    assert repr(vg.Dense(3, formula("tanh(z)"))) == "Dense(3, activation=formula('tanh(z)'))"
    assert repr(vg.Activation(f)) == "Activation(formula('z * sigmoid(b * z)', b=1.0))"
    assert copy.deepcopy(vg.Activation(f)).activation == f
    with pytest.raises(AttributeError):
        f.name = "z"


def test_an_output_by_formula_has_no_range_that_a_loss_may_rely_on():
    model = vg.Sequential([vg.Dense(3, formula("sigmoid(z)"))], input_shape=2)
    with pytest.raises(ValueError, match=r"^loss: .* got 'sigmoid\(z\)'"):
        model.compile("binary_crossentropy")
    model.compile("mse")


# ---- parameters that are learned


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("shape", [(7,), (5, 7), (3, 4, 4)])
def test_gradients_of_learned_parameters(shape, shared):
    f = formula(
        "z * sigmoid(b * z) + c * sin(a * z) + where(z > b, c, z)", shared=shared, a=2, b=1, c=0.5
    )
    rest = [vg.Flatten()] if len(shape) > 1 else []
    model = vg.Sequential(
        [vg.Activation(f), *rest, vg.Dense(2)], input_shape=shape, dtype="float64", seed=0
    )
    model.compile("mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(19, *shape)), rng.normal(size=(19, 2))
    width = 1 if shared else shape[0] if len(shape) == 3 else shape[-1]
    _, gradients = model.gradients(x, y)
    state = model.state_dict()
    assert list(state)[:3] == ["activation1.a", "activation1.b", "activation1.c"]
    for name in list(state)[:3]:
        assert state[name].shape == (width,)
        for place in range(width):
            sides = []
            for step in (1e-6, -1e-6):
                moved = state[name].copy()
                moved[place] += step
                model.load_state_dict({**state, name: moved})
                sides.append(model.gradients(x, y)[0])
            assert gradients[name][place] == pytest.approx(
                (sides[0] - sides[1]) / 2e-6, rel=1e-5, abs=1e-8
            )


def test_learned_parameters_are_a_prelu_where_the_formula_is():
    def trained(layer):
        model = vg.Sequential(
            [vg.Dense(37), layer, vg.Dense(2)], input_shape=4, dtype="float64", seed=0
        )
        model.compile("mse", "adam")
        rng = np.random.default_rng(0)
        flow = vg.GradientFlow()
        model.fit(rng.normal(size=(90, 4)), rng.normal(size=(90, 2)), epochs=3, track=flow)
        return model, flow

    ours, flow = trained(vg.Activation(formula("maximum(z, 0) + a * minimum(z, 0)", a=0.25)))
    theirs, other = trained(vg.PReLU())
    np.testing.assert_allclose(
        ours.state_dict()["activation1.a"], theirs.state_dict()["prelu1.weight"], rtol=1e-12
    )
    np.testing.assert_allclose(flow.delta, other.delta, rtol=1e-10)
    assert np.isnan(flow.saturated[:, 1]).all()


def test_learned_parameters_are_kept_in_files_and_sequences(tmp_path):
    f = formula("z * sigmoid(b * z)", b=0.7, shared=True)
    model = vg.Sequential(
        [vg.LSTM(5, return_sequences=True), vg.Activation(f), vg.Dense(2)], input_shape=(None, 3)
    )
    model.compile("mse", "adam")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 6, 3)), rng.normal(size=(9, 6, 2))
    model.fit(x, y, epochs=2, lengths=[6, 5, 4, 3, 2, 1, 6, 6, 6])
    model.save(tmp_path / "m.npz")
    other = vg.load(tmp_path / "m.npz")
    same_bits(other.predict(x), model.predict(x))
    assert other.layers[1].activation == f
    assert other.layers[1].views["b"] != 0.7
    for each in (model, other):
        each.fit(x, y, epochs=1)
    same_bits(other.predict(x), model.predict(x))


def test_windows_of_time_give_the_bits_of_one():
    f = formula("z * sigmoid(b * z)", b=0.7)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 12, 3)), rng.normal(size=(9, 12, 2))
    found = []
    for checkpoint in (None, 5):
        layers = [
            vg.RNN(5, formula("tanh(z)"), return_sequences=True),
            vg.Activation(f),
            vg.Dense(2),
        ]
        model = vg.Sequential(layers, input_shape=(None, 3), seed=0)
        model.compile("mse", checkpoint=checkpoint)
        found.append(model.gradients(x, y)[1])
    for name, value in found[0].items():
        same_bits(value, found[1][name])


@pytest.mark.parametrize(
    "make",
    [
        lambda f: vg.Dense(3, f),
        lambda f: vg.Conv1d(3, 2, activation=f),
        lambda f: vg.LSTM(3, f),
        lambda f: vg.GRU(3, recurrent_activation=f),
        lambda f: vg.BatchNorm(f),
        lambda f: vg.LayerNorm(f),
        lambda f: vg.Highway(f),
        lambda f: vg.Residual([vg.Dense(3)], activation=f),
    ],
)
def test_learned_parameters_elsewhere_are_refused_with_what_to_do(make):
    with pytest.raises(
        ValueError, match=r"activation: expected .* parameters to learn.*vg.Activation\("
    ) as caught:
        make(formula("b * z", b=1))
    assert "formula('b * z', b=1.0)" in str(caught.value)


# ---- what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("z +", "cannot be read"),
        ("z z", "cannot be read"),
        ("(" * 300 + "z" + ")" * 300, "cannot be read|levels"),
        ("-" * 500 + "z", "cannot be read|levels"),
        ("z\0", "cannot be read"),
        ("z; z", "cannot be read"),
        ("x * z", "got the name 'x' at column 1"),
        ("z * gamma", "got the name 'gamma' at column 5"),
        ("é + z", "got the name 'é' at column 1"),
        ("z + éa", "got the name 'éa' at column 5"),
        ("z + tanh", "'tanh', which takes arguments"),
        ("z.real", "an attribute at column 1"),
        ("z + z.__class__", "an attribute at column 5"),
        ("z[0]", "an index"),
        ("(lambda: z)()", "a call of lambda"),
        ("lambda z: z", "a lambda"),
        ("eval('z')", "a call of eval"),
        ("__import__('os').system('true') + z", "a call of"),
        ("tanh(z, z)", "1 arguments of tanh"),
        ("tanh(x=z)", "1 arguments of tanh"),
        ("tanh(*[z])", "what a formula has"),
        ("where(z, 1)", "3 arguments of where"),
        ("z if z > 0 else 0", "take where"),
        ("z > 0 and z < 1", "multiply comparisons"),
        ("not z", "another operator"),
        ("z % 2", "another operator"),
        ("z // 2", "another operator"),
        ("z is 1", "one of < <= > >= == !="),
        ("z in (1, 2)", "what a formula has"),
        ("z + 'a'", "got 'a' at column 5"),
        ("z + True", "got True"),
        ("z + 1j", "got 1j"),
        ("z + None", "got None"),
        ("(z, z)", "got Tuple"),
        ("[z for z in z]", "got ListComp"),
        ("f'{z}'", "got JoinedStr"),
        ("(z := 1)", "got NamedExpr"),
        ("z + 1e999", "finite numbers"),
        ("z + 10 ** 400", "finite numbers"),
        ("z + 1" + "0" * 400, "finite numbers"),
        ("z + 1 / 0", "finite numbers, got 1 / 0 at column 5"),
        ("z * log(0)", "finite numbers"),
        ("z * (-1) ** 0.5", "finite numbers"),
        ("1 + 2", "an expression in z"),
        ("z ** 0", "an expression in z"),
        ("where(1 < 2, 3, z)", "an expression in z"),
        ("z + " * 400 + "z", "characters"),
        ("z + " * 100 + "z", "levels"),
        (" + ".join(f"sin({i} * z)" for i in range(40)), "at most 32 constants"),
    ],
)
def test_what_is_not_in_the_grammar_is_refused(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        formula(text)
    assert str(caught.value).startswith("text: expected ")


def test_a_formula_that_needs_too_many_registers_is_refused():
    text = "z"
    for i in range(2, 20):
        text = f"sin({i} * z) + ({text})"
    with pytest.raises(ValueError, match=r"^text: expected at most 16 values at a time"):
        formula(text)


@pytest.mark.parametrize(
    ("parameters", "kind", "words"),
    [
        ({"b": "1"}, TypeError, "b: expected a number"),
        ({"b": math.nan}, ValueError, "b: expected a finite number"),
        ({"z": 1}, ValueError, "another name than 'z'"),
        ({"pi": 1}, ValueError, "another name than 'pi'"),
        ({"tanh": 1}, ValueError, "another name than 'tanh'"),
        ({"b": 1, "c": 1}, ValueError, "expected names that are in .*, got c"),
        ({"b": 1, "shared": 1}, TypeError, "shared: expected True or False"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters, kind, words):
    with pytest.raises(kind, match=words):
        formula("z * b", **parameters)


def test_too_many_parameters_are_refused():
    with pytest.raises(ValueError, match="at most 8 learned"):
        formula(" + ".join(f"p{i} * z" for i in range(9)), **{f"p{i}": 1 for i in range(9)})


# ---- built-in activations that take a number, and constants


def test_numbers_of_built_in_activations():
    z = np.linspace(-5, 5, 101)
    for made, text in {
        vg.activations.hard_sigmoid(0.2): "minimum(maximum(0.2 * z + 0.5, 0), 1)",
        vg.activations.hard_sigmoid(): "minimum(maximum(z / 6 + 0.5, 0), 1)",
        vg.activations.celu(2.5): "where(z < 0, 2.5 * (exp(z / 2.5) - 1), z)",
        vg.activations.snake(3): "z + sin(3 * z) ** 2 / 3",
        vg.activations.gelu("tanh"): "0.5 * z * (1 + tanh(sqrt(2 / pi) * (z + 0.044715 * z ** 3)))",
        vg.activations.gelu(): "0.5 * z * (1 + erf(z / sqrt(2)))",
        vg.activations.get("mish"): "z * tanh(softplus(z))",
        vg.activations.get("hard_swish"): "z * minimum(maximum(z + 3, 0), 6) / 6",
        vg.activations.get("relu6"): "minimum(maximum(z, 0), 6)",
        vg.activations.get(
            "selu"
        ): f"{vg.activations.SELU_SCALE} * where(z < 0, {vg.activations.SELU_ALPHA}"
        " * (exp(z) - 1), z)",
    }.items():
        np.testing.assert_allclose(evaluate(made, z)[0], evaluate(formula(text), z)[0], atol=1e-14)
        inner = np.abs(z[:, np.newaxis] - np.array([*made.kinks, 99])).min(axis=1) > 1e-6
        slopes = evaluate(made, z[inner])[1], evaluate(formula(text), z[inner])[1]
        np.testing.assert_allclose(*slopes, atol=1e-13)
    assert ACTIVATIONS.keys() == {*simd.ACTIVATIONS}


def test_a_file_from_before_hard_sigmoid_had_a_slope_is_read():
    assert vg.activations.of_config("hard_sigmoid", 0.0) == vg.activations.hard_sigmoid()
    assert vg.activations.of_config("leaky_relu", 0.0) == vg.leaky_relu(0.0)
