"""Gradients and trajectories against PyTorch's.

PyTorch computes in float64 from the model's parameters; float32 models are held against that too.
"""

from dataclasses import fields

import numpy as np
import pytest
from reference import (
    CLIPPINGS,
    DTYPES,
    LOSSES,
    NAMES,
    OPTIMIZERS,
    REDUCTIONS,
    assert_close,
    network,
    samples,
)

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional
torch.set_num_threads(1)  # quicker on networks this small

pytestmark = pytest.mark.parity
GRADIENT_TOLERANCE = {"float32": 1e-5, "float64": 1e-10}

ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": nn.relu,
    "leaky_relu": nn.leaky_relu,
    "elu": nn.elu,
    "selu": nn.selu,
    "gelu": nn.gelu,
    "silu": nn.silu,
    "softplus": nn.softplus,
    "softsign": nn.softsign,
    # The backward pass of nn.hardsigmoid takes 1/6 from float32 even in float64: it is off by 3e-8
    "hard_sigmoid": lambda z: nn.relu6(z + 3) / 6,
    "mish": nn.mish,
    "hard_swish": lambda z: z * nn.relu6(z + 3) / 6,  # as of hardsigmoid
    "gelu_tanh": lambda z: nn.gelu(z, approximate="tanh"),
    "relu6": nn.relu6,
    "celu": nn.celu,
    "snake": lambda z: z + torch.sin(z) ** 2,
    "softmax": lambda z: nn.softmax(z, dim=1),
    "softmin": lambda z: nn.softmin(z, dim=1),
}


class Twin:
    """The same network, its parameters leaves of PyTorch's graph."""

    def __init__(self, model):
        self.loss, self.reduction, self.dtype = model.loss.name, model.loss.reduction, model.dtype
        self.layers = [(layer.name, layer.activation.name) for layer in model.layers]
        self.parameters = {
            name: torch.tensor(value.astype(float), requires_grad=True)
            for name, value in model.state_dict().items()
        }

    def forward_loss(self, x, y):
        h = torch.tensor(x.astype(self.dtype).astype(float))
        for name, activation in self.layers:
            z = nn.linear(h, self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])
            h = ACTIVATIONS[activation](z)
        if self.loss.startswith("sparse"):
            return nn.cross_entropy(z, torch.tensor(y))
        y = torch.tensor(y.astype(self.dtype).astype(float))
        if self.loss == "categorical_crossentropy":
            return nn.cross_entropy(z, y)
        if self.loss == "mse":
            loss = nn.mse_loss(h, y)
        elif activation in ("sigmoid", "identity"):
            loss = nn.binary_cross_entropy_with_logits(z, y)
        else:
            loss = nn.binary_cross_entropy(h, y)
        return loss * (h.shape[1] if self.reduction == "batchmean" else 1)

    def values(self):
        return {name: p.detach().numpy().copy() for name, p in self.parameters.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "output"), LOSSES)
@pytest.mark.parametrize("hidden", NAMES)
def test_gradients(hidden, loss, output, reduction, dtype):
    model = network(
        (13, 7, 33, 5), (hidden, hidden, output), loss, dtype=dtype, reduction=reduction
    )
    x, y = samples(model, 17)
    value, gradients = model.gradients(x, y)
    twin = Twin(model)
    expected = twin.forward_loss(x, y)
    expected.backward()
    tolerance = GRADIENT_TOLERANCE[dtype]
    assert value == pytest.approx(expected.item(), rel=tolerance)
    assert_close(gradients, {k: p.grad.numpy() for k, p in twin.parameters.items()}, tolerance)


TORCH = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
}  # it has no Lion
RENAMED = {"learning_rate": "lr", "epsilon": "eps"}


def torch_optimizer(optimizer, parameters):
    settings = {each.name: getattr(optimizer, each.name) for each in fields(optimizer)}
    options = {RENAMED.get(name, name): value for name, value in settings.items()}
    if "beta1" in options:
        options["betas"] = options.pop("beta1"), options.pop("beta2")
    return TORCH[optimizer.rule](parameters, **options)


@pytest.fixture
def doubles():
    """NAdam keeps its product of momenta in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("doubles")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
@pytest.mark.parametrize("optimizer", [name for name, o in OPTIMIZERS.items() if o.rule in TORCH])
def test_trajectories(optimizer, clipping, dtype, tolerance):
    """Twenty steps through `fit`: four epochs of five minibatches, the last a short one."""
    optimizer = OPTIMIZERS[optimizer]
    model = network((6, 17, 9, 3), ("tanh", "silu", "softmax"), "sparse_categorical_crossentropy",
                    optimizer, dtype=dtype, **clipping)  # fmt: skip
    x, y = samples(model, 23)
    twin = Twin(model)
    parameters = list(twin.parameters.values())
    rule = torch_optimizer(optimizer, parameters)
    flow = vg.GradientFlow()
    model.fit(x, y, epochs=4, batch_size=5, shuffle=False, track=flow)
    losses = []
    for _ in range(4):
        for begin in range(0, 23, 5):
            rule.zero_grad()
            loss = twin.forward_loss(x[begin : begin + 5], y[begin : begin + 5])
            loss.backward()
            if "clip_norm" in clipping:
                torch.nn.utils.clip_grad_norm_(parameters, clipping["clip_norm"])
            if "clip_value" in clipping:
                torch.nn.utils.clip_grad_value_(parameters, clipping["clip_value"])
            rule.step()
            losses.append(loss.item())
    np.testing.assert_allclose(flow.loss, losses, rtol=tolerance)
    assert_close(model.state_dict(), twin.values(), tolerance)
