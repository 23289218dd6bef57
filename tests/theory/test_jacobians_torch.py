"""Jacobians by PyTorch's automatic differentiation in float64: of states through time, and of networks."""

import functools

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
from unrolled import step_of  # noqa: E402

pytestmark = pytest.mark.parity

CELLS = {
    "rnn": (vg.RNN, {}),
    "rnn of softsign": (vg.RNN, {"activation": "softsign"}),
    "lstm": (vg.LSTM, {}),
    "peepholes": (vg.LSTM, {"peepholes": True}),
    "gru": (vg.GRU, {}),
    "reset before": (vg.GRU, {"reset_after": False}),
}
UNITS, TIMES = 6, 30


def tensor(array):
    return torch.tensor(np.array(array), dtype=torch.float64)


def recurrent(cell, **more):
    kind, options = CELLS[cell]
    layer = kind(UNITS, bias_initializer="normal", **options, **more)
    model = vg.Sequential([layer], input_shape=(None, 3), dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    model.load_state_dict(
        {name: v + 0.3 * rng.normal(size=v.shape) for name, v in model.state_dict().items()}
    )
    return model


def jacobians(model, x):
    """dstate_t/dstate_{t-1} (times, size, size) along one sequence."""
    [layer] = model.layers
    p = {name: tensor(view) for name, view in layer.views.items()}
    count = 2 if isinstance(layer, vg.LSTM) else 1

    def step(state, now):
        return torch.cat(step_of(layer, now, list(state.split(UNITS)), p)[0])

    state, found = torch.zeros(count * UNITS, dtype=torch.float64), []
    for now in tensor(x):
        one = functools.partial(step, now=now)
        found.append(torch.autograd.functional.jacobian(one, state).numpy())
        state = step(state, now)
    return np.array(found)


def samples(n=2):
    return np.random.default_rng(2).normal(size=(n, TIMES, 3))


@pytest.mark.parametrize("cell", CELLS)
def test_lyapunov(cell):
    model, x = recurrent(cell), samples()
    found = vg.theory.lyapunov(model, x, model.layers[0].name)
    for sample in range(2):
        along = jacobians(model, x[sample])
        size = along.shape[1]
        q = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)).T)[0]
        growth = []
        for jacobian in along:
            q, triangle = np.linalg.qr(jacobian @ q)
            growth.append(np.log(np.abs(np.diag(triangle))))
        np.testing.assert_allclose(
            found.samples[sample], np.mean(growth, axis=0), rtol=1e-8, atol=1e-10
        )
        volume = np.linalg.slogdet(along)[1].mean()
        assert found.samples[sample].sum() == pytest.approx(volume, rel=1e-10)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("align", ["end", "start"])
@pytest.mark.parametrize("backwards", [False, True])
def test_all_singular_values_of_dh_by_dh(cell, align, backwards):
    model, x, lags = recurrent(cell, go_backwards=backwards), samples(), [0, 1, 4, 20]
    lengths = [TIMES, 18]
    name = model.layers[0].name
    found = model.state_jacobian(x, name, lags, lengths=lengths, align=align)
    assert found.singular_values.shape == (2, len(lags), UNITS)
    assert np.isnan(found.singular_values[1, 3]).all()
    for sample, length in enumerate(lengths):
        sequence = x[sample, :length]
        along = jacobians(model, sequence[::-1] if backwards else sequence)
        for column, lag in enumerate(lags[: 4 - sample]):
            chosen = along[length - lag :] if align == "end" else along[:lag]
            product = np.eye(along.shape[1])
            for jacobian in chosen:
                product = jacobian @ product
            expected = np.linalg.svd(product[:UNITS, :UNITS], compute_uv=False)
            got = found.singular_values[sample, column]
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * expected[0])
            assert found.spectral[sample, column] == got[0]
            assert found.frobenius[sample, column] == pytest.approx(np.linalg.norm(got), rel=1e-12)


def test_input_jacobians_of_a_network_with_running_statistics():
    layers = [
        vg.Conv2d(3, 3, padding=1), vg.BatchNorm("tanh"), vg.Dropout(0.5), vg.Flatten(),
        vg.Dense(5, "gelu"), vg.LayerNorm(), vg.Dense(4, "softmax"),
    ]  # fmt: skip
    model = vg.Sequential(layers, input_shape=(2, 4, 4), dtype="float64", seed=0)
    nn = torch.nn
    twin = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh(), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(48, 5), nn.GELU(), nn.LayerNorm(5), nn.Linear(5, 4), nn.Softmax(dim=1),
    ).double().eval()  # fmt: skip
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for name, value in twin.state_dict().items():
            if value.is_floating_point():
                draw = tensor(rng.normal(size=value.shape))
                value += draw.abs() if name.endswith("running_var") else 0.3 * draw
    model.load_state_dict(dict(zip(model.state_dict(), (
        v for v in twin.state_dict().values() if v.is_floating_point()
    ), strict=True)))  # fmt: skip
    x = rng.normal(size=(2, 2, 4, 4))
    found = vg.theory.input_jacobian(model, x)
    for sample in range(2):
        expected = torch.autograd.functional.jacobian(twin, tensor(x[sample : sample + 1]))
        np.testing.assert_allclose(
            found[sample], expected.reshape(4, 32).numpy(), rtol=1e-10, atol=1e-14
        )
