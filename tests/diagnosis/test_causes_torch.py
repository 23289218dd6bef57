"""Totals of factors against PyTorch's autograd, in float64."""

import itertools

import numpy as np
import pytest
from retained import Retained, double
from unrolled import step_of

import vgcore as vg
from vgcore.diagnosis import causes

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

pytestmark = pytest.mark.parity
RNG = np.random.default_rng(0)
VECTORS, IMAGES, SEQUENCES = (
    RNG.normal(size=shape) for shape in ((20, 6), (7, 2, 8, 8), (9, 6, 3))
)


def compiled(layers, input_shape):
    model = vg.Sequential(layers, input_shape=input_shape, dtype="float64", seed=1)
    for name, value in model.state_dict().items():  # away from 0, where many start
        if "running" not in name:
            model.load_state_dict({name: value + 0.3 * RNG.normal(size=value.shape)}, strict=False)
    model.compile("mse")
    return model


def rms(*tensors):
    return torch.cat([each.ravel() for each in tensors]).square().mean().sqrt().item()


NETWORKS = {
    "norms": (
        lambda: [
            *(vg.Dense(9), vg.BatchNorm("relu"), vg.Dense(7), vg.RMSNorm(), vg.Dense(7, "tanh")),
            *(vg.PReLU(), vg.Highway("tanh"), vg.Dense(3, "sigmoid")),
        ],
        *(VECTORS, "dense4 highway1 dense3 dense2 dense1"),
    ),
    "skips": (
        lambda: [
            vg.Dense(8, "tanh"),
            vg.Residual([vg.LayerNorm("relu"), vg.Dense(8)], activation="tanh", gate=0.4),
            vg.Residual(
                [vg.Residual([vg.Dense(5)], shortcut=[vg.Dense(5)])], shortcut=[vg.Dense(5)]
            ),
            vg.Parallel([vg.Dense(4, "tanh"), vg.Dense(4, "relu")]),
            vg.Dense(3, "tanh"),
        ],
        *(VECTORS, "dense2 parallel1 residual2 residual1 dense1"),
    ),
    "images": (
        lambda: [
            *(vg.Conv2d(4, 3, "relu"), vg.MaxPool(2), vg.GroupNorm(2), vg.Conv2d(5, 2, "tanh")),
            *(vg.AvgPool(2), vg.Flatten(), vg.Dense(3, "tanh")),
        ],
        *(IMAGES, "dense1 conv2d2 conv2d1"),
    ),
    "sequences": (
        lambda: [
            vg.Dense(4, "tanh"),
            vg.Bidirectional(vg.LSTM(4, return_sequences=True)),
            vg.GRU(5, return_sequences=True, num_layers=2),
            vg.Residual([vg.RNN(5, return_sequences=True)]),
            vg.LSTM(4),
            vg.Dense(3, "tanh"),
        ],
        *(SEQUENCES, "dense2 lstm1 residual1 gru1.1 gru1.0 bidirectional1 dense1"),
    ),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_over_layers(case):
    make, x, places = NETWORKS[case]
    model = compiled(make(), x.shape[1:] if x.ndim != 3 else (None, 3))
    y = RNG.normal(size=(len(x), 3))
    twin = Retained(model, x)
    (twin.output - double(y)).square().mean().backward()
    factors = causes.over_layers(model, model.internals(x, y))
    names = places.split()
    assert [each.place for each in factors] == names

    def delta(name):
        seen = [twin.arrays(each)["delta"] for each in twin.seen if _is(each, name)]
        return rms(*(torch.tensor(each) for each in seen))

    def _is(column, name):
        return column in (name, f"{name}.forward", f"{name}.backward")

    for factor, (above, below) in zip(factors[1:], itertools.pairwise(names), strict=True):
        assert factor.total == pytest.approx(delta(below) / delta(above), rel=1e-9), factor.place
    for factor in factors:
        product = factor.weights * factor.slopes * factor.norms * factor.skips
        assert product == pytest.approx(factor.total, rel=1e-12)


CELLS = {
    "rnn": lambda **o: vg.RNN(4, "softsign", **o),
    "lstm": lambda **o: vg.LSTM(4, **o),
    "peepholes": lambda **o: vg.LSTM(4, peepholes=True, **o),
    "gru": lambda **o: vg.GRU(4, **o),
    "cho": lambda **o: vg.GRU(4, reset_after=False, **o),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("kind", CELLS)
def test_over_time(kind, backwards):
    """What the losses of later timesteps alone send back to a state is what has come through time."""
    model = compiled([CELLS[kind](return_sequences=True, go_backwards=backwards)], (None, 3))
    [layer] = model.layers
    y = RNG.normal(size=(9, 6, 4))
    times = [*range(6)][:: -1 if backwards else 1]
    p = {name: double(view) for name, view in layer.views.items()}
    state = [torch.zeros(9, 4, dtype=float, requires_grad=True) for _ in layer.states]
    carried, keeps, losses = [], [], []
    for t in times:
        state, gates = step_of(layer, double(SEQUENCES[:, t]), state, p)
        carried.append(state[-1])  # c of an LSTM, h of others
        keeps.append(torch.sigmoid(gates[1][0]).detach() if len(gates) > 1 else None)
        losses.append((state[0] - double(y[:, t])).square().sum() / y.size)

    def back(first, at):
        [found] = torch.autograd.grad(sum(losses[first:]), carried[at], retain_graph=True)
        return found

    factors = causes.over_time(model, model.internals(SEQUENCES, y), layer.name)
    assert len(factors) == 5
    for at, factor in zip(reversed(range(5)), factors, strict=True):
        above, arrived = back(at + 1, at + 1), back(at + 1, at)
        assert factor.place == f"timestep {times[at]}"
        assert factor.total == pytest.approx(rms(arrived) / rms(above), rel=1e-9)
        product = factor.weights * factor.slopes * factor.skips
        assert product == pytest.approx(factor.total, rel=1e-12)
        if keeps[at + 1] is not None:
            kept = rms(keeps[at + 1] * above) / rms(above)
            assert factor.skips == pytest.approx(kept, rel=1e-9)
