"""A network of PyTorch and one of vgcore with the same weights, trained alike, and their records."""

import numpy as np
import torch

import vgcore as vg

STEPS = 3


def twin(module, layers, x, lengths=None):
    """Vgcore's network of the same layers, with the module's parameters."""
    shape = (None, *x.shape[2:]) if lengths is not None else x.shape[1:]
    model = vg.Sequential(layers, input_shape=shape, dtype="float64")
    model.compile("mse", vg.SGD(0.1))
    model.load_state_dict({name: value.numpy() for name, value in module.state_dict().items()})
    return model


def records(module, layers, x, y, loss_of, lengths=None):
    """What vgcore records of its network, and what is seen of PyTorch's."""
    options = {} if lengths is None else {"lengths": lengths}
    model = twin(module, layers, x, lengths=lengths)
    own = vg.GradientFlow(distributions=True)
    model.fit(x, y, epochs=STEPS, batch_size=len(x), shuffle=False, verbose=0, track=own, **options)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    with vg.exchange.watch(module, distributions=True) as seen:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss_of(module, torch.tensor(x), torch.tensor(y)).backward()
            optimizer.step()
    return own, seen


def fields(flow):
    """All of a record, walks numbered in order for their names may differ."""
    told = {name: getattr(flow, name) for name in ("step", "loss", *vg.flow.FIELDS)}
    for name in vg.flow.TIME_FIELDS:
        for place, values in enumerate(getattr(flow, name).values()):
            told[f"{name} {place}"] = values
    return told


def assert_alike(own, seen, tolerance=1e-10, zeros=True):
    """Every field of every layer and timestep, and how numbers are distributed."""
    wanted, found = fields(own), fields(seen)
    assert wanted.keys() == found.keys()
    for name, values in wanted.items():
        np.testing.assert_allclose(
            found[name], values, rtol=tolerance, atol=1e-14, err_msg=name, equal_nan=True
        )
    assert list(own.gates.values()) == list(seen.gates.values())
    for field in ("delta", "weight_grad", "activation", "update_ratio"):
        one, other = own.distribution(field), seen.distribution(field)
        np.testing.assert_array_equal(one.total, other.total, err_msg=field)
        if zeros:
            np.testing.assert_array_equal(one.zero, other.zero, err_msg=field)
        medians = [each.quantile(0.5) for each in (one, other)]
        np.testing.assert_allclose(*medians, rtol=0.1, err_msg=field)
