"""Layers of images and sequences against PyTorch's, in float64: outputs and all gradients."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional
torch.set_num_threads(1)  # quicker on networks this small

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning"),
]

CLASSES = 3
CONVOLUTIONS = {
    "plain": {"kernel_size": 3},
    "one by one": {"kernel_size": 1},
    "same": {"kernel_size": (3, 4), "padding": "same"},
    "same, dilated": {"kernel_size": (4, 3), "padding": "same", "dilation": (2, 3)},
    "strided": {"kernel_size": 3, "stride": 2, "padding": 1},
    "stride above kernel": {"kernel_size": (2, 1), "stride": (3, 4)},
    "padded beyond the kernel": {"kernel_size": (2, 3), "padding": (3, 4), "stride": (2, 3)},
    "dilated": {"kernel_size": (3, 2), "dilation": (2, 4), "padding": (1, 0)},
    "all": {"kernel_size": (9, 11)},
    "no bias": {"kernel_size": 3, "use_bias": False},
}
POOLS = {
    "halves": {"pool_size": 2},
    "overlapping": {"pool_size": 3, "stride": 2, "padding": 1},
    "uneven": {"pool_size": (3, 2), "stride": (1, 2), "padding": (1, 0)},
    "stride above window": {"pool_size": (2, 3), "stride": (3, 5)},
    "all": {"pool_size": (9, 11)},
}


def first(options):
    """The options along the first axis, for sequences."""
    return {k: v[0] if isinstance(v, tuple) else v for k, v in options.items()}


def convolve(h, layer, parameters):
    function = nn.conv2d if layer.kind == "conv2d" else nn.conv1d
    how = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
    z = function(
        h,
        parameters[f"{layer.name}.weight"],
        parameters.get(f"{layer.name}.bias"),
        groups=layer.groups,
        **how,
    )
    return {"tanh": torch.tanh, "silu": nn.silu, "identity": lambda z: z}[layer.activation.name](z)


def pool(h, layer):
    how = {"stride": layer.stride, "padding": layer.padding}
    images = h.ndim == 4
    if layer.kind == "maxpool":
        return (nn.max_pool2d if images else nn.max_pool1d)(h, layer.pool_size, **how)
    how["count_include_pad"] = layer.count_include_pad
    return (nn.avg_pool2d if images else nn.avg_pool1d)(h, layer.pool_size, **how)


def outputs(model, x, parameters):
    """The model's logits by PyTorch. Sequences run as (n, features, time) there."""
    h = x.transpose(1, 2) if x.ndim == 3 else x
    for layer in model.layers:
        if layer.kind in ("conv1d", "conv2d"):
            h = convolve(h, layer, parameters)
        elif layer.kind in ("maxpool", "avgpool"):
            h = pool(h, layer)
        elif layer.kind == "globalavgpool":
            h = h.flatten(2).mean(2)
        elif layer.kind in ("flatten", "reshape"):
            h = h.transpose(1, 2) if h.ndim == 3 else h
            h = h.reshape(len(h), *getattr(layer, "shape", (-1,)))
            h = h.transpose(1, 2) if h.ndim == 3 else h
        else:
            h = nn.linear(h, parameters["dense1.weight"], parameters["dense1.bias"])
    return h


def check(layers, input_shape, rows=5):
    rng = np.random.default_rng(0)
    model = vg.Sequential(
        [*layers, vg.Dense(CLASSES, "softmax")], input_shape=input_shape, dtype="float64", seed=1
    )
    model.compile("sparse_categorical_crossentropy")
    x, y = rng.normal(size=(rows, *input_shape)), rng.integers(CLASSES, size=rows)
    value, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
    given = torch.tensor(x, requires_grad=True)
    parameters = {k: torch.tensor(v, requires_grad=True) for k, v in model.state_dict().items()}
    logits = outputs(model, given, parameters)
    loss = nn.cross_entropy(logits, torch.tensor(y))
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-10)
    close(model.predict(x), torch.softmax(logits, 1).detach().numpy())
    close(inputs.x, given.grad.numpy())
    assert gradients.keys() == parameters.keys()
    for name, parameter in parameters.items():
        close(gradients[name], parameter.grad.numpy())


def close(got, want):
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10 * np.abs(want).max())


@pytest.mark.parametrize(("channels", "filters", "groups"), [(1, 1, 1), (3, 17, 1), (6, 9, 3)])
@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions_of_images(options, channels, filters, groups):
    layers = [
        vg.Conv2d(filters, activation="tanh", groups=groups, bias_initializer="normal", **options),
        vg.Flatten(),
    ]
    check(layers, (channels, 9, 11))


@pytest.mark.parametrize(("features", "filters", "groups"), [(1, 3, 1), (17, 5, 1), (4, 4, 4)])
@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions_of_sequences(options, features, filters, groups):
    layers = [
        vg.Conv1d(filters, activation="silu", groups=groups, **first(options)),
        vg.Conv1d(3, 1, bias_initializer="normal"),
        vg.GlobalAvgPool(),
    ]
    check(layers, (11, features))


@pytest.mark.parametrize("channels", [1, 3, 17])
@pytest.mark.parametrize("options", POOLS.values(), ids=POOLS)
@pytest.mark.parametrize(
    ("pool", "more"),
    [(vg.MaxPool, {}), (vg.AvgPool, {}), (vg.AvgPool, {"count_include_pad": False})],
)
def test_pools(pool, more, options, channels):
    check([vg.Conv2d(channels, 1), pool(**options, **more), vg.Flatten()], (channels, 9, 11))
    check([pool(**first(options), **more), vg.Flatten()], (11, channels))


def test_a_small_network():
    layers = [
        vg.Conv2d(8, 3, "silu", padding=1),
        vg.MaxPool(2),
        vg.Conv2d(16, 3, "tanh", stride=2, padding=1),
        vg.AvgPool(3, stride=1, padding=1),
        vg.Conv2d(12, (1, 3), "tanh", groups=4),
        vg.GlobalAvgPool(),
    ]
    check(layers, (3, 13, 17), rows=17)


@pytest.mark.parametrize("input_shape", [(15, 8), (120,), (6, 4, 5)])
def test_shapes_in_between(input_shape):
    layers = [
        vg.Reshape((4, 5, 6)),
        vg.Conv2d(4, 3),
        vg.Reshape((6, 8)),
        vg.Conv1d(7, 2),
        vg.AvgPool(2),
        vg.Flatten(),
    ]
    check(layers, input_shape)


def test_a_shortcut_that_subsamples():
    """Every second row and column, and zeros behind: option A of He et al. 2016."""
    rng = np.random.default_rng(0)
    body = [vg.Conv2d(7, 3, stride=2, padding=1, use_bias=False)]
    block = vg.Residual(body, shortcut=[vg.Subsample(7, stride=2)])
    model = vg.Sequential([block, vg.Flatten()], input_shape=(3, 5, 6), dtype="float64", seed=1)
    model.compile("mse")
    x, y = rng.normal(size=(4, 3, 5, 6)), rng.normal(size=(4, 63))
    given = torch.tensor(x, requires_grad=True)
    weight = torch.tensor(model.state_dict()["residual1.conv2d1.weight"], requires_grad=True)
    skip = nn.pad(given[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4))
    h = (nn.conv2d(given, weight, stride=2, padding=1) + skip).flatten(1)
    nn.mse_loss(h, torch.tensor(y)).backward()
    _, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
    close(model.predict(x), h.detach().numpy())
    close(gradients["residual1.conv2d1.weight"], weight.grad.numpy())
    close(inputs.x, given.grad.numpy())
