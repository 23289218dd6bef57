"""Formulas: what they compute, their slopes, what they refuse, and that they are activations like others."""

import math

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
