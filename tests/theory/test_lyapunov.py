"""Lyapunov exponents: closed forms, a twin of central differences and NumPy's QR, chaos, bad input."""

import threading
import tracemalloc

import numpy as np
import pytest
from processes import numbers_at

import vgcore as vg
from vgcore._core import simd, tangents
from vgcore.model import inputs, threads
from vgcore.theory.walks import Walk

CELLS = {
    "rnn": (vg.RNN, {}),
    "rnn of softplus": (vg.RNN, {"activation": "softplus"}),
    "rnn of a formula": (vg.RNN, {"activation": vg.activations.formula("sin(z) + 0.1 * z")}),
    "lstm": (vg.LSTM, {}),
    "peepholes": (vg.LSTM, {"peepholes": True}),
    "lstm of others": (vg.LSTM, {"activation": "softsign", "recurrent_activation": "tanh"}),
    "gru": (vg.GRU, {}),
    "reset before": (vg.GRU, {"reset_after": False}),
    "gru of others": (vg.GRU, {"activation": "gelu", "recurrent_activation": "tanh"}),
    "no biases": (vg.GRU, {"use_bias": False}),
}
EACH_CELL = pytest.mark.parametrize("cell", CELLS)
UNITS, TIMES = 5, 40
LENGTHS = np.array([40, 7, 25])


def network(layers, dtype="float64", features=3, seed=0, spread=0.3):
    model = vg.Sequential(layers, input_shape=(None, features), dtype=dtype, seed=seed)
    rng = np.random.default_rng(seed + 1)
    model.load_state_dict(
        {
            name: v + spread * rng.normal(size=v.shape) if v.ndim else v
            for name, v in model.state_dict().items()
        }
    )
    return model


def layer_of(cell, units=UNITS, **options):
    kind, more = CELLS[cell]
    return kind(units, **more, **options)


def alone(layer, state, prefix="", suffix=""):
    """The layer by itself in a model that returns its states, with parameters of another model."""
    model = vg.Sequential([layer], input_shape=(None, 3), dtype="float64")
    model.load_state_dict(
        {name: state[f"{prefix}.{name.split('.', 1)[1]}{suffix}"] for name in model.state_dict()}
    )
    return model


def step(model, x, state):
    """The flat state behind one timestep."""
    parts = np.split(state[np.newaxis], 2 if isinstance(model.layers[0], vg.LSTM) else 1, axis=1)
    entry = parts[0] if len(parts) == 1 else tuple(parts)
    _, [entry] = model.predict(x[np.newaxis, np.newaxis], initial_state=[entry], return_state=True)
    return np.concatenate(entry if isinstance(entry, tuple) else [entry], axis=1)[0]


def differences(model, x, state):
    """The Jacobian of one timestep by central differences."""
    small, columns = 1e-5, []
    for unit in np.eye(len(state)):
        ahead, behind = (step(model, x, state + sign * small * unit) for sign in (1, -1))
        columns.append((ahead - behind) / (2 * small))
    return np.stack(columns, axis=1)


def twin(model, x, start=None, k=None):
    """Logarithms (times, k) of R_ii along one sequence, from vgcore's first directions; and of abs(det J)."""
    units = model.layers[0].units
    size = 2 * units if isinstance(model.layers[0], vg.LSTM) else units
    state = np.zeros(size) if start is None else start
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size))[:k].T)[0]
    growth, volume = [], []
    for now in x:
        jacobian = differences(model, now, state)
        q, triangle = np.linalg.qr(jacobian @ q)
        growth.append(np.log(np.abs(np.diag(triangle))))
        volume.append(np.linalg.slogdet(jacobian)[1])
        state = step(model, now, state)
    return np.array(growth), np.array(volume)


def samples(n=3, times=TIMES, features=3):
    return np.random.default_rng(2).normal(size=(n, times, features))


# ---- against the twin


@EACH_CELL
def test_the_twin_of_every_cell(cell):
    model = network([layer_of(cell)])
    x = samples(2)
    found = vg.theory.lyapunov(model, x, model.layers[0].name)
    for sample in range(2):
        growth, volume = twin(model, x[sample])
        np.testing.assert_allclose(found.samples[sample], growth.mean(axis=0), rtol=1e-5, atol=1e-6)
        assert found.samples[sample].sum() == pytest.approx(volume.mean(), rel=1e-6)
    np.testing.assert_allclose(found.exponents, found.samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.history[-1], found.exponents, rtol=1e-12)


@EACH_CELL
@pytest.mark.parametrize("side", ["forward", "backward"])
def test_the_twin_of_each_direction_with_lengths_and_a_transient(cell, side):
    layers = [vg.Dense(3, "tanh"), vg.Bidirectional(layer_of(cell)), vg.Dense(1)]
    model, x, k, transient = network(layers), samples(), 3, 4
    below = vg.Sequential([vg.Dense(3, "tanh")], input_shape=(None, 3), dtype="float64")
    state = model.state_dict()
    below.load_state_dict({name: state[name] for name in below.state_dict()})
    walk = alone(layer_of(cell), state, "bidirectional1", "" if side == "forward" else "_reverse")
    found = vg.theory.lyapunov(
        model, x, f"bidirectional1.{side}", k, lengths=LENGTHS, transient=transient
    )
    assert found.history.shape == (TIMES, k)
    courses = np.full((3, TIMES, k), np.nan)
    for sample, length in enumerate(LENGTHS):
        sequence = below.predict(x[sample : sample + 1])[0, :length]
        sequence = sequence[::-1] if side == "backward" else sequence
        growth = twin(walk, sequence, k=k)[0][transient:]
        course = growth.cumsum(axis=0) / np.arange(1, len(growth) + 1)[:, np.newaxis]
        courses[sample, transient:length] = course
        np.testing.assert_allclose(found.samples[sample], course[-1], rtol=1e-5, atol=1e-6)
    assert np.isnan(found.history[:transient]).all()
    expected = np.nanmean(courses[:, transient:], axis=0)
    np.testing.assert_allclose(found.history[transient:], expected, rtol=1e-5, atol=1e-6)


@EACH_CELL
def test_the_twin_of_a_layer_of_a_stack_in_a_block(cell):
    inner = layer_of(cell, num_layers=2, return_sequences=True, recurrent_dropout=0.5, dropout=0.4)
    model = network([vg.Residual([inner], shortcut=[vg.Dense(UNITS)])])
    name = f"residual1.{inner.name}"
    state = model.state_dict()
    lower = alone(layer_of(cell, return_sequences=True), state, f"{name}.0")
    x = samples(1)
    upper = vg.Sequential([layer_of(cell)], input_shape=(None, UNITS), dtype="float64")
    upper.load_state_dict(
        {key: state[f"{name}.1.{key.split('.', 1)[1]}"] for key in upper.state_dict()}
    )
    found = vg.theory.lyapunov(model, x, f"{name}.1")
    growth, _ = twin(upper, lower.predict(x)[0])
    np.testing.assert_allclose(found.exponents, growth.mean(axis=0), rtol=1e-5, atol=1e-6)


@EACH_CELL
@pytest.mark.parametrize("start", ["given", "learned"])
def test_the_twin_from_a_state_that_is_given_or_learned(cell, start):
    names = "hc" if CELLS[cell][0] is vg.LSTM else "h"
    states = np.random.default_rng(4).normal(size=(len(names), UNITS))
    plain = network([layer_of(cell)])
    x, given = samples(1, times=6), None
    if start == "given":
        model = plain
        parts = tuple(each[np.newaxis] for each in states)
        given = [parts if len(parts) > 1 else parts[0]]
    else:
        model = vg.Sequential(
            [layer_of(cell, initial_state="learned")], input_shape=(None, 3), dtype="float64"
        )
        model.load_state_dict(
            {
                **plain.state_dict(),
                **{
                    f"{model.layers[0].name}.initial_{name}": value
                    for name, value in zip(names, states, strict=True)
                },
            }
        )
    found = vg.theory.lyapunov(model, x, model.layers[0].name, initial_state=given)
    growth, _ = twin(plain, x[0], states.ravel())
    np.testing.assert_allclose(found.exponents, growth.mean(axis=0), rtol=1e-5, atol=1e-6)


@EACH_CELL
def test_the_leading_ones_are_those_of_all(cell):
    model, x = network([layer_of(cell, 20)]), samples(1)
    name = model.layers[0].name
    every = vg.theory.lyapunov(model, x, name)
    for k in (1, 2, 17, len(every.exponents)):
        leading = vg.theory.lyapunov(model, x, name, k)
        np.testing.assert_allclose(leading.exponents, every.exponents[:k], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(leading.history, every.history[:, :k], rtol=1e-9, atol=1e-12)


@EACH_CELL
def test_a_float32_model_is_taken_in_float64(cell):
    small = network([layer_of(cell)], "float32")
    same = network([layer_of(cell)])
    same.load_state_dict(small.state_dict())
    x = samples(2).astype(np.float32)
    name, before = small.layers[0].name, small.state_dict()
    one, other = (vg.theory.lyapunov(each, x, each.layers[0].name) for each in (small, same))
    assert one.exponents.dtype == np.float64
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert small.layers[0].name == name
    for key, value in small.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
        assert value.dtype == np.float32


def test_tokens_and_embeddings():
    layers = [vg.Embedding(7, 3), vg.GRU(UNITS)]
    model = vg.Sequential(layers, input_shape=(None,), dtype="float64", seed=0)
    tokens = np.random.default_rng(0).integers(7, size=(1, 30))
    found = vg.theory.lyapunov(model, tokens, "gru1")
    walk = alone(vg.GRU(UNITS), model.state_dict(), "gru1")
    growth, _ = twin(walk, model.layers[0].weight[tokens[0]])
    np.testing.assert_allclose(found.exponents, growth.mean(axis=0), rtol=1e-5, atol=1e-6)


def test_behind_a_convolution_that_shortens_time():
    layers = [vg.Conv1d(4, 3), vg.RNN(UNITS)]
    model = vg.Sequential(layers, input_shape=(TIMES, 3), seed=0)
    found = vg.theory.lyapunov(model, samples(2), "rnn1")
    assert found.history.shape == (TIMES - 2, UNITS)
    assert np.isfinite(found.history).all()


# ---- closed forms


def linear(weight):
    units = len(weight)
    model = vg.Sequential([vg.RNN(units, "identity")], input_shape=(None, 1), dtype="float64")
    model.layers[0].weight_hh = weight
    return model


def test_of_a_linear_network_they_are_logarithms_of_eigenvalues():
    weight = np.random.default_rng(0).normal(size=(6, 6)) / 2
    moduli = np.sort(np.log(np.abs(np.linalg.eigvals(weight))))[::-1]
    x = np.zeros((1, 6000, 1))
    found = vg.theory.lyapunov(linear(weight), x, "rnn1", transient=1000)
    np.testing.assert_allclose(found.exponents, moduli, atol=1e-3)
    # where eigenvalues are real and apart, all memory of the first directions is gone
    basis = np.random.default_rng(1).normal(size=(5, 5))
    values = np.array([1.5, -1.0, 0.5, -0.2, 0.05])
    weight = basis * values @ np.linalg.inv(basis)
    found = vg.theory.lyapunov(linear(weight), x[:, :600], "rnn1", transient=300)
    np.testing.assert_allclose(found.exponents, np.log(np.abs(values)), atol=1e-10)


def test_of_an_orthogonal_matrix_they_are_0():
    weight = np.linalg.qr(np.random.default_rng(0).normal(size=(40, 40)))[0]
    found = vg.theory.lyapunov(linear(weight), np.zeros((1, 200, 1)), "rnn1")
    np.testing.assert_allclose(found.history, 0, atol=1e-13)


def test_of_one_unit_it_is_the_mean_logarithm_of_the_slope():
    model = network([vg.RNN(1)], features=2)
    x = samples(2, 3000, 2)
    h = vg.Sequential([vg.RNN(1, return_sequences=True)], input_shape=(None, 2), dtype="float64")
    h.load_state_dict(model.state_dict())
    [[weight]] = model.layers[0].weight_hh
    growth = np.log(np.abs(weight * (1 - h.predict(x) ** 2)))
    found = vg.theory.lyapunov(model, x, "rnn1", transient=100)
    np.testing.assert_allclose(found.samples, growth[:, 100:].mean(axis=1), rtol=1e-12)
    course = growth[:, 100:].cumsum(axis=1) / np.arange(1, 2901)[:, np.newaxis]
    np.testing.assert_allclose(found.history[100:], course.mean(axis=0), rtol=1e-10)


def test_a_cell_that_only_remembers():
    """An LSTM whose gates are shut keeps c at the rate of its forget gate, and forgets h at once."""
    model = vg.Sequential([vg.LSTM(4)], input_shape=(None, 1), dtype="float64", seed=0)
    [layer] = model.layers
    layer.weight_hh = np.zeros((16, 4))
    layer.bias_ih = np.repeat([0.0, 2.0, 0.0, 0.0], 4)
    layer.bias_hh = np.zeros(16)
    found = vg.theory.lyapunov(model, np.zeros((1, 100, 1)), "lstm1", transient=10)
    np.testing.assert_allclose(found.exponents[:4], -np.log1p(np.exp(-2)), rtol=1e-12)
    assert np.all(np.isneginf(found.exponents[4:]))


@pytest.mark.parametrize(("gain", "sign"), [(0.7, -1), (0.9, -1), (1.5, 1), (3, 1)])
def test_a_large_random_network_is_chaotic_beyond_a_gain_of_1(gain, sign):
    """Sompolinsky, Crisanti and Sommers 1988."""
    units, rng = 200, np.random.default_rng(0)
    model = vg.Sequential([vg.RNN(units)], input_shape=(None, 1), dtype="float64")
    model.layers[0].weight_hh = gain / np.sqrt(units) * rng.normal(size=(units, units))
    start = [rng.normal(size=(1, units))]
    x = np.zeros((1, 700, 1))
    found = vg.theory.lyapunov(model, x, "rnn1", 3, initial_state=start, transient=300)
    assert np.sign(found.exponents[0]) == sign
    if gain < 1:  # the state dies, and the network is linear
        radius = np.abs(np.linalg.eigvals(model.layers[0].weight_hh)).max()
        assert found.exponents[0] == pytest.approx(np.log(radius), abs=0.01)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "reset before"])
def test_gradients_backpropagated_grow_at_the_same_rates(cell):
    """QR of the transposed Jacobians from the last to the first: what backpropagation multiplies by."""
    units = 24
    model = network([layer_of(cell, units)], spread=0.25 if cell != "rnn" else 0.4)
    x = samples(1, 3000)
    name = model.layers[0].name
    found = vg.theory.lyapunov(model, x, name, transient=200)
    walk = Walk(model.session, name, inputs.samples(model.session, x), None)
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(walk.size, walk.size)))[0]
    lengths = np.empty((3000, walk.size))
    for begin, end, jacobians in walk.backwards(0):
        back = np.ascontiguousarray(jacobians[::-1].transpose(0, 2, 1))
        part = np.empty((end - begin, walk.size))
        tangents.carry(q, back, part)
        lengths[begin:end] = part[::-1]
    growth = np.log(lengths[200:-200])
    blocks = growth.reshape(-1, 100, walk.size).mean(axis=1)
    error = blocks.std(axis=0) / np.sqrt(len(blocks)) + 2e-3
    assert np.all(np.abs(found.exponents - growth.mean(axis=0)) < 4 * error)


# ---- what is gone, and what is too much


def test_dead_and_saturated_units_have_exponents_of_minus_infinity():
    model = network([vg.RNN(6, "relu")], features=1)
    [layer] = model.layers
    layer.weight_ih = np.zeros((6, 1))
    layer.weight_hh = np.abs(layer.weight_hh) / 4
    layer.bias_ih = [-1e3, 1.0, -1e3, 1.0, 1.0, 1.0]
    found = vg.theory.lyapunov(model, np.zeros((1, 50, 1)), "rnn1")
    assert np.isfinite(found.exponents[:4]).all()
    assert np.all(np.isneginf(found.exponents[4:]))
    assert np.all(np.isneginf(found.history[:, 4:]))
    saturated = network([vg.RNN(3)], features=1)
    saturated.layers[0].bias_ih = [100.0, -100.0, 0.1]
    found = vg.theory.lyapunov(saturated, np.zeros((1, 50, 1)), "rnn1")
    assert np.isfinite(found.exponents[0])
    assert np.all(np.isneginf(found.exponents[1:]))


def test_weights_that_are_not_numbers_make_exponents_that_are_none():
    model = network([vg.RNN(4)])
    weight = model.layers[0].weight_hh.copy()
    weight[0, 0] = np.nan
    model.layers[0].weight_hh = weight
    assert np.isnan(vg.theory.lyapunov(model, samples(1), "rnn1").exponents).all()


def test_directions_are_told_apart_however_far_they_part():
    """Over the sequence one grows, and another shrinks, by far more than float64 has room for."""
    found = vg.theory.lyapunov(
        linear(np.diag([20.0, 1.0, 0.05]) + np.eye(3, k=1)), np.zeros((1, 3000, 1)), "rnn1",
        transient=100,
    )  # fmt: skip
    np.testing.assert_allclose(found.exponents, np.log([20, 1, 0.05]), atol=1e-10)


# ---- bits


@EACH_CELL
def test_bits_are_those_of_any_number_of_threads_and_any_company(cell, monkeypatch):
    model, x = network([layer_of(cell, 33)]), samples(3)
    name, before = model.layers[0].name, vg.get_num_threads()
    try:
        runs = []
        for number in (1, 2, 3):
            vg.set_num_threads(number)
            runs.append(vg.theory.lyapunov(model, x, name, lengths=LENGTHS))
    finally:
        vg.set_num_threads(before)
    monkeypatch.setattr(threading.Thread, "start", None)
    monkeypatch.setattr(threads, "startable", lambda most: 0)
    runs.append(vg.theory.lyapunov(model, x, name, lengths=LENGTHS))
    for run in runs[1:]:
        for one, other in zip(runs[0], run, strict=True):
            np.testing.assert_array_equal(one, other)
    single = vg.theory.lyapunov(model, x[1:2, :7], name)
    np.testing.assert_array_equal(single.exponents, runs[0].samples[1])


@pytest.mark.parametrize("level", simd.levels()[:-1])
def test_other_levels_find_the_same(level, monkeypatch):
    script = (
        "import numpy as np, vgcore as vg; x = np.random.default_rng(0).normal(size=(2, 30, 3));"
        "models = [vg.Sequential([c(18)], input_shape=(None, 3), seed=1) for c in (vg.RNN, vg.LSTM,"
        " vg.GRU)];"
        "found = [vg.theory.lyapunov(m, x, m.layers[0].name).exponents for m in models];"
        "print(vg.cpu_level, *np.concatenate(found))"
    )
    there, here = (numbers_at(each, script, monkeypatch) for each in (level, simd.levels()[-1]))
    np.testing.assert_allclose(there, here, rtol=1e-6, atol=1e-6)


def test_what_is_found_is_shown_in_a_line():
    found = vg.theory.lyapunov(linear(np.diag([2.0, 0.5])), np.zeros((3, 50, 1)), "rnn1")
    assert repr(found).startswith("<Lyapunov: 2 exponents from 0.")
    assert repr(found).endswith(" per timestep, of 3 samples>")


def test_what_theory_has_is_listed_and_what_it_has_not_is_named():
    assert {"lyapunov", "input_jacobian", "singular_values"} <= set(dir(vg.theory))
    assert all(hasattr(vg.theory, name) for name in vg.theory.__all__)
    with pytest.raises(AttributeError, match="lyapunow"):
        _ = vg.theory.lyapunow


def test_memory_is_that_of_a_stretch_of_time_and_of_the_answer():
    """All Jacobians at once would take 40 MB."""
    model = network([vg.GRU(32)])
    x = samples(1, 5000)
    vg.theory.lyapunov(model, x[:, :10], "gru1", 1)
    tracemalloc.start()
    try:
        vg.theory.lyapunov(model, x, "gru1", 1)
        model.state_jacobian(x, "gru1", [1, 4000])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2 * 10**7


# ---- bad input


@pytest.mark.parametrize(
    ("options", "error", "fragments"),
    [
        ({"layer": "rnn2"}, ValueError, ["layer: ", "rnn1", "did you mean"]),
        ({"layer": "bidirectional1"}, ValueError, ["layer: ", "bidirectional1.forward"]),
        ({"layer": "dense1"}, ValueError, ["layer: ", "rnn1"]),
        ({"layer": 1}, TypeError, ["layer: ", "name", "int"]),
        ({"k": 0}, ValueError, ["k: ", "at least 1", "got 0"]),
        ({"k": 5}, ValueError, ["k: ", "at most 4", "got 5"]),
        ({"k": 2.0}, TypeError, ["k: ", "integer", "2.0"]),
        ({"x": samples(1)[0]}, ValueError, ["x: ", "(n, time, 3)", "(40, 3)"]),
        ({"x": samples(1) * np.nan}, ValueError, ["x: ", "finite", "nan"]),
        ({"x": samples(0)}, ValueError, ["x: ", "at least one sample"]),
        ({"lengths": [1, 2]}, ValueError, ["lengths: ", "(3,)"]),
        ({"lengths": [40, 0, 3]}, ValueError, ["lengths: ", "at least 1", "lengths[1]"]),
        ({"lengths": [40, 41, 3]}, ValueError, ["lengths: ", "0 .. 40", "41"]),
        ({"transient": 40}, ValueError, ["transient: ", "40"]),
        ({"transient": 7, "lengths": LENGTHS}, ValueError, ["transient: ", "7"]),
        ({"transient": -1}, ValueError, ["transient: ", "at least 0"]),
        ({"initial_state": [None]}, ValueError, ["initial_state: ", "2 entries"]),
        ({"model": "rnn1"}, TypeError, ["model: ", "Sequential"]),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(options, error, fragments):
    layers = [vg.Bidirectional(vg.LSTM(3, return_sequences=True)), vg.RNN(4), vg.Dense(1)]
    given = {"model": network(layers), "x": samples(), "layer": "rnn1", **options}
    with pytest.raises(error) as caught:
        vg.theory.lyapunov(**given)
    assert caught.type is error
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_network_without_time_is_refused():
    model = vg.Sequential([vg.Dense(3)], input_shape=2)
    with pytest.raises(ValueError, match=r"^layer: the model has no recurrent layer"):
        vg.theory.lyapunov(model, np.zeros((1, 2)), "dense1")
