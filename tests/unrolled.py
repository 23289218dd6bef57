"""Timesteps of the recurrent cells in PyTorch, by their equations."""

import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional

ACTIVATIONS = {  # with the steepest slope
    "identity": (lambda z: z, 1),
    "tanh": (torch.tanh, 1),
    "relu": (torch.relu, 1),
    "softsign": (nn.softsign, 1),
    "sigmoid": (torch.sigmoid, 1 / 4),
    "hard_sigmoid": (lambda z: nn.relu6(z + 3) / 6, 1 / 6),
}


def slopes(activation, z):
    """Of each element, as a share of the steepest there is."""
    f, steepest = ACTIVATIONS[activation.name]
    with torch.enable_grad():
        leaf = z.detach().requires_grad_()
        return torch.autograd.grad(f(leaf).sum(), leaf)[0].abs() / steepest


def step_of(layer, x, state, p):
    """One timestep of a cell: the new state, and what goes into each gate with its activation."""
    f = ACTIVATIONS[layer.activation.name][0]
    gate = getattr(layer, "recurrent_activation", layer.activation)
    s = ACTIVATIONS[gate.name][0]
    h = state[0]
    into = (x @ p["weight_ih"].T + p["bias_ih"]).chunk(len(layer.gates), dim=-1)
    if isinstance(layer, vg.GRU):
        w_r, w_z, w_n = p["weight_hh"].chunk(3)
        b_r, b_z, b_n = p["bias_hh"].chunk(3)
        r, z = into[0] + h @ w_r.T + b_r, into[1] + h @ w_z.T + b_z
        n = (
            into[2] + s(r) * (h @ w_n.T + b_n)
            if layer.reset_after
            else into[2] + (s(r) * h) @ w_n.T + b_n
        )
        return [(1 - s(z)) * f(n) + s(z) * h], [(r, gate), (z, gate), (n, layer.activation)]
    back = (h @ p["weight_hh"].T + p["bias_hh"]).chunk(len(layer.gates), dim=-1)
    z = [one + other for one, other in zip(into, back, strict=True)]
    if isinstance(layer, vg.RNN):
        return [f(z[0])], [(z[0], layer.activation)]
    c = state[1]
    if layer.peepholes:
        z[0], z[1] = z[0] + p["weight_ci"] * c, z[1] + p["weight_cf"] * c
    c = s(z[1]) * c + s(z[0]) * f(z[2])
    if layer.peepholes:
        z[3] = z[3] + p["weight_co"] * c
    return [s(z[3]) * f(c), c], [(v, layer.activation if i == 2 else gate) for i, v in enumerate(z)]
