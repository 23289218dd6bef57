"""A model of Keras and one of vgcore are the same: outputs, loss, and every gradient, in float64."""

import numpy as np
import torch
from keras_on_torch import first, outputs

import vgcore as vg


def close(got, want, scale, tolerance=1e-12):
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(scale, 1e-3))


def check(theirs, model, x, *, moved=True, tolerance=1e-12):
    """Prediction, and one pass of training; ``moved``: images have their channels last in Keras."""
    ours = first if moved else np.asarray
    predicted = ours(outputs(theirs, x))
    close(model.predict(ours(x)), predicted, np.abs(predicted).max(), tolerance)

    y = np.random.default_rng(2).normal(size=predicted.shape)
    model.compile("mse", "sgd")
    value, gradients, inputs = model.gradients(ours(x), y, wrt_inputs=True)
    before = [variable.numpy() for variable in theirs.weights]
    tensor = torch.tensor(x, requires_grad=True)
    result = theirs(tensor, training=True)
    result = result.permute(0, 3, 1, 2) if moved and result.ndim == 4 else result
    loss = torch.nn.functional.mse_loss(result, torch.tensor(y))
    close(np.asarray(value), np.asarray(loss.item()), loss.item(), tolerance)
    theirs.zero_grad()
    loss.backward()
    wanted = {"inputs": ours(tensor.grad.numpy())}
    wanted.update(_read(theirs, gradients))
    for variable, array in zip(theirs.weights, before, strict=True):
        variable.assign(array)
    gradients = {"inputs": inputs.x, **gradients}
    # Of the largest: behind norms some are 0 but for rounding
    scale = max(np.abs(each).max() for each in wanted.values())
    for name, gradient in gradients.items():
        close(gradient, wanted[name], scale, tolerance)


def _read(theirs, names):
    """The gradients in Keras by the names here: read from the model as if they were its weights."""
    for variable in theirs.trainable_variables:
        variable.assign(variable.value.grad)
    state = vg.exchange.from_keras(theirs).state_dict()
    for name in names:
        if "bias_hh" in name and not state[name].any():  # of a sum, whose one term Keras has
            state[name] = state[name.replace("bias_hh", "bias_ih")]
    return {name: state[name] for name in names}
