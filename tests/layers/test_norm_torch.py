"""Normalisation, PReLU and activations against PyTorch's, in float64."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional
torch.set_num_threads(1)  # quicker on networks this small

pytestmark = pytest.mark.parity
TOLERANCE = {"float32": 2e-3, "float64": 1e-10}
ACTIVATIONS = {
    "identity": lambda z: z,
    "relu": nn.relu,
    "gelu": nn.gelu,
    "tanh": torch.tanh,
    "silu": nn.silu,
    "softmax": lambda z: nn.softmax(z, dim=-1),
}
SHAPES = {"vectors": (5,), "sequences": (6, 3), "images": (3, 5, 4)}


def assert_close(got, expected, tolerance):
    """Each array relative to the largest element in it; some gradients are 0 but for rounding."""
    assert list(got) == list(expected)
    largest = max(np.abs(array).max() for array in expected.values())
    for name, array in got.items():
        scale = np.abs(expected[name]).max() + 1e-3 * largest
        np.testing.assert_allclose(
            array, expected[name], rtol=0, atol=tolerance * scale, err_msg=name
        )


class Twin:
    """The same network over rows of features, whatever they are rows of."""

    def __init__(self, model):
        self.layers, self.dtype = model.layers, model.dtype
        self.values = {
            name: torch.tensor(value.astype(float)) for name, value in model.state_dict().items()
        }
        for name in model.layout.trained:
            self.values[name].requires_grad_()

    def forward(self, x, training=True):
        """Outputs for vectors, sequences (n, time, features) or images (n, channels, height, width)."""
        h = x.movedim(1, -1) if x.ndim == 4 else x
        for layer in self.layers:
            h = self.through(layer, h, training)
        return h.movedim(-1, 1) if x.ndim == 4 else h

    def through(self, layer, h, training):
        mine = {
            name.rpartition(".")[2]: v
            for name, v in self.values.items()
            if name.startswith(f"{layer.name}.")
        }
        weight, bias = mine.get("weight"), mine.get("bias")
        features = h.shape[-1:]
        if isinstance(layer, vg.Dense):
            h = nn.linear(h, weight, bias)
        elif isinstance(layer, vg.BatchNorm):
            h = nn.batch_norm(
                h.reshape(-1, *features), mine["running_mean"], mine["running_var"], weight, bias,
                training, layer.momentum, layer.epsilon,
            ).reshape(h.shape)  # fmt: skip
        elif isinstance(layer, vg.LayerNorm):
            h = nn.layer_norm(h, features, weight, bias, layer.epsilon)
        elif isinstance(layer, vg.RMSNorm):
            epsilon = np.finfo(self.dtype).eps if layer.epsilon is None else layer.epsilon
            h = nn.rms_norm(h, features, weight, float(epsilon))
        elif isinstance(layer, vg.PReLU):
            return nn.prelu(h.reshape(-1, *features), weight).reshape(h.shape)
        return ACTIVATIONS[layer.activation.name](h)


def stack(shape):
    layers = [
        vg.BatchNorm("gelu"),
        vg.PReLU(shared=True),
        vg.LayerNorm("relu", epsilon=1e-3),
        vg.BatchNorm("relu", scale=False, momentum=0.3),
        vg.RMSNorm("tanh"),
        vg.Activation("silu"),
        vg.BatchNorm(shift=False, epsilon=0.01),
        vg.PReLU(),
        vg.RMSNorm(scale=False, epsilon=0.1),
        vg.LayerNorm(scale=False),
        vg.LayerNorm(shift=False),
        vg.BatchNorm("softmax", scale=False, shift=False),
    ]
    if len(shape) == 3:
        return layers
    sizes = iter((9, 33, 7, 16, 5, 8, 11, 4, 6, 17, 3, 5))
    return [each for layer in layers for each in (vg.Dense(next(sizes)), layer)]


def network(kind, dtype="float64", optimizer=None):
    model = vg.Sequential(stack(SHAPES[kind]), input_shape=SHAPES[kind], dtype=dtype, seed=3)
    model.compile("mse", optimizer or vg.SGD(0.5))
    rng = np.random.default_rng(4)
    for layer in model.layers:
        # Statistics first: with other draws rounding may grow to 1e-9 in a few steps, PyTorch's own too
        for name in sorted(layer.views, key=lambda name: not name.startswith("running")):
            view = layer.views[name]
            view += rng.uniform(0.1, 0.5, view.shape).astype(dtype)
    return model


def samples(model, rows, seed=5):
    rng = np.random.default_rng(seed)
    x = rng.normal(0.5, 2, size=(rows, *model.input_shape)).astype(model.dtype)
    y = rng.normal(size=model.session.output_shape(x)).astype(model.dtype)
    return x, y


def loss_of(twin, x, y):
    return nn.mse_loss(twin.forward(x), torch.tensor(y.astype(float)))


def leaf(x):
    return torch.tensor(x.astype(float), requires_grad=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", SHAPES)
def test_gradients(kind, dtype):
    model = network(kind, dtype)
    x, y = samples(model, 19)
    before = model.state_dict()
    value, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
    twin, given = Twin(model), leaf(x)
    loss = loss_of(twin, given, y)
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=TOLERANCE[dtype])
    assert_close(
        gradients, {name: twin.values[name].grad.numpy() for name in gradients}, TOLERANCE[dtype]
    )
    assert_close({"x": inputs.x}, {"x": given.grad.numpy()}, TOLERANCE[dtype])
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("kind", SHAPES)
def test_training_and_evaluation(kind):
    """Two epochs of three minibatches: parameters, running statistics, then predictions with them."""
    model = network(kind)
    x, y = samples(model, 19)
    twin = Twin(model)
    rule = torch.optim.SGD([v for v in twin.values.values() if v.requires_grad], lr=0.5)
    flow = vg.GradientFlow()
    model.fit(x, y, epochs=2, batch_size=8, shuffle=False, track=flow)
    losses = []
    for begin in [0, 8, 16] * 2:
        rule.zero_grad()
        loss = loss_of(twin, torch.tensor(x[begin : begin + 8]), y[begin : begin + 8])
        loss.backward()
        rule.step()
        losses.append(loss.item())
    np.testing.assert_allclose(flow.loss, losses, rtol=1e-10)
    assert_close(model.state_dict(), {k: v.detach().numpy() for k, v in twin.values.items()}, 1e-9)
    with torch.no_grad():
        expected = twin.forward(torch.tensor(x), training=False).numpy()
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.predict(x[:1]), expected[:1], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "last", [[vg.BatchNorm], [vg.LayerNorm], [vg.RMSNorm], [vg.Activation], [None, vg.Activation]]
)
def test_losses_fuse_with_the_softmax_of_any_of_them(last):
    layers = [vg.Activation(None) if each is None else each("softmax") for each in last]
    model = vg.Sequential([vg.Dense(4), *layers], input_shape=3, dtype="float64", seed=0)
    model.compile("sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).normal(size=(9, 3)), np.arange(9) % 4
    value, gradients = model.gradients(x, y)
    twin = Twin(model)
    loss = nn.nll_loss(torch.log(twin.forward(torch.tensor(x))), torch.tensor(y))
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    expected = {name: twin.values[name].grad.numpy() for name in gradients}
    assert_close(gradients, expected, 1e-10)
    with torch.no_grad():
        probabilities = Twin(model).forward(torch.tensor(x), training=False).numpy()
    np.testing.assert_allclose(model.predict(x), probabilities, rtol=1e-12)
