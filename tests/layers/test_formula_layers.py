"""Formulas in layers and models, in theory and files, and parameters of theirs that are learned."""

import copy
import math
import pickle

import numpy as np
import pytest
from reference import DTYPES
from scipy import special

import vgcore as vg

formula = vg.activations.formula
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def same_bits(a, b):
    np.testing.assert_array_equal(a.view(f"u{a.itemsize}"), b.view(f"u{b.itemsize}"))


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


@pytest.mark.parametrize("cell", [vg.RNN, vg.LSTM, vg.GRU])
def test_recurrent_layers_with_formulas_learn_where_they_start(cell):
    options = {"peepholes": True} if cell is vg.LSTM else {}
    layer = cell(3, formula("sin(z)"), initial_state="learned", **options)
    model = vg.Sequential([layer], input_shape=(None, 2))
    assert not layer.initial_h.any()
    model.compile("mse")
    model.fit(np.ones((2, 4, 2)), np.ones((2, 3)), epochs=1)
    assert layer.initial_h.all()


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
    with pytest.raises(ValueError, match="activation: expected one with finite moments, got 'log"):
        vg.initializers.gain(formula("log(z)"))
    with pytest.raises(ValueError, match="activation: expected a formula with a mean square"):
        vg.initializers.gain(formula("0 * z"))


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
