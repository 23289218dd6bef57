"""A module of PyTorch and a model are the same: outputs, loss, every gradient, and one step of training."""

import numpy as np
import torch

import vgcore as vg
from vgcore.model import state_names

TOLERANCE = 1e-12
# How samples are laid out there, of (n, time, features) here
ORDERS = {"ntf": (0, 1, 2), "nft": (0, 2, 1), "tnf": (1, 0, 2), "tn": (1, 0)}


def close(got, want, scale=None, tolerance=TOLERANCE):
    want = want.detach() if isinstance(want, torch.Tensor) else want
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    scale = np.abs(want).max() if scale is None else scale
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(scale, 1e-3))


def drawn(module, seed=0):
    """The module in float64, no parameter or statistic as it starts."""
    rng = np.random.default_rng(seed)
    module.double()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.copy_(torch.from_numpy(rng.uniform(0.5, 2, value.shape)))
            elif value.dtype == torch.float64:
                change = torch.from_numpy(rng.uniform(-0.3, 0.3, value.shape))
                value.add_(change if value.ndim else change[()])
    return module


def samples(model, rows=5, seed=1):
    """Inputs of a model, one number of timesteps where any will do."""
    rng = np.random.default_rng(seed)
    shape = tuple(7 if size is None else size for size in model.input_shape)
    vocabulary = model.layers[0].vocabulary
    if vocabulary is not None:
        return rng.integers(vocabulary, size=(rows, *shape))
    return rng.normal(size=(rows, *shape))


def theirs(x, axes):
    """Inputs or outputs as PyTorch has them."""
    return x.transpose(ORDERS[axes]) if axes in ORDERS else x


def ours(outputs, axes):
    """Outputs of PyTorch as they are here."""
    outputs = outputs[0] if isinstance(outputs, tuple) else outputs
    return outputs.permute(ORDERS[axes]) if axes in ORDERS else outputs


def names_here(model, module, values):
    """What has the module's names, by the model's."""
    found = state_names.translate(module.state_dict(), model.layout.shapes)
    assert not found.unexpected and found.names.keys() == model.layout.shapes.keys()
    return {name: values[key] for name, key in found.names.items() if key in values}


def check(module, model, *, takes=None, gives=None, tolerance=TOLERANCE):
    """A module and a model of the same parameters: in prediction, gradients, and one step of training."""
    x = samples(model)
    rows = theirs(x, takes)
    there = torch.tensor(rows, requires_grad=rows.dtype == float)
    module.eval()
    with torch.no_grad():
        outputs = ours(module(there), gives)
    close(model.predict(x), outputs, tolerance=tolerance)

    model.compile("mse", vg.SGD(0.1))
    y = np.random.default_rng(2).normal(size=outputs.shape)
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    loss = torch.nn.functional.mse_loss(ours(module(there), gives), torch.tensor(y))
    module.zero_grad()
    loss.backward()
    is_real = x.dtype == float
    value, gradients, *inputs = model.gradients(x, y, wrt_inputs=is_real)
    close(value, loss.item(), tolerance=tolerance)
    wanted = names_here(model, module, {name: p.grad for name, p in module.named_parameters()})
    assert gradients.keys() == wanted.keys()
    gradients = dict(gradients)
    if is_real:
        gradients["inputs"], wanted["inputs"] = inputs[0].x, ours(there.grad, takes)
    # Of the largest: behind norms some are 0 but for rounding
    scale = max(np.abs(each.numpy()).max() for each in wanted.values())
    for name, gradient in gradients.items():
        close(gradient, wanted[name], scale, tolerance)

    # One step, which moves running statistics, too
    model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter -= 0.1 * parameter.grad
    state = names_here(model, module, module.state_dict())
    for name, array in model.state_dict().items():
        close(array, state[name].numpy(), 1 + np.abs(array).max(), tolerance)
    module.load_state_dict(before)
    model.load_state_dict(before)


def come_over(module, shape, *, takes=None, gives=None, tolerance=TOLERANCE):
    """From PyTorch, back, and from there again: all the same."""
    model = vg.exchange.from_torch(module, shape, dtype="float64")
    check(module, model, takes=takes, gives=gives, tolerance=tolerance)
    back = vg.exchange.to_torch(model)
    check(back, model, tolerance=tolerance)
    again = vg.exchange.from_torch(back, shape, dtype="float64")
    x = samples(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert [type(each) for each in again.layers] == [type(each) for each in model.layers]
    return model
