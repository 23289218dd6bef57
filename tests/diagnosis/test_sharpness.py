"""The largest curvature of a loss, beside closed forms and PyTorch's Hessian."""

import numpy as np
import pytest

import vgcore as vg
from vgcore.diagnosis.sharpness import sharpness


def made(layers, inputs):
    model = vg.Sequential(layers, input_shape=inputs, seed=0, dtype="float64")
    model.compile("mse", vg.SGD(0.1))
    return model


def test_of_a_linear_network_it_is_that_of_the_inputs():
    x = np.random.default_rng(0).normal(size=(50, 3)) * (1, 2, 5)
    rows = np.c_[x, np.ones(50)]
    wanted = np.linalg.eigvalsh(2 * rows.T @ rows / 50).max()
    assert sharpness(made([vg.Dense(1)], 3), x, x[:, :1]) == pytest.approx(wanted, rel=0.02)


def test_parameters_are_left_as_they_are():
    model = made([vg.Dense(4, "relu"), vg.Dense(1)], 2)
    before = {name: value.copy() for name, value in model.state_dict().items()}
    sharpness(model, np.eye(2), np.ones((2, 1)))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_kink_is_no_curvature():
    torch = pytest.importorskip("torch")
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([[0.0], [1], [1], [0]])
    model = made([vg.Dense(2, "relu"), vg.Dense(1)], 2)
    state = model.state_dict()
    names = list(state)
    sizes = [state[name].size for name in names]

    def loss(flat):
        parts = {
            name: part.reshape(state[name].shape)
            for name, part in zip(names, torch.split(flat, sizes), strict=True)
        }
        h = torch.relu(torch.from_numpy(x) @ parts["dense1.weight"].T + parts["dense1.bias"])
        h = h @ parts["dense2.weight"].T + parts["dense2.bias"]
        return ((h - torch.from_numpy(y)) ** 2).mean()

    flat = torch.from_numpy(np.concatenate([state[name].ravel() for name in names]))
    hessian = torch.autograd.functional.hessian(loss, flat).numpy()
    wanted = np.abs(np.linalg.eigvalsh(hessian)).max()
    assert sharpness(model, x, y) == pytest.approx(wanted, rel=0.3)
