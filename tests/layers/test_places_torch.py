"""Norms over places, pools, padding of embeddings and alpha dropout against PyTorch's, in float64."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional
torch.set_num_threads(1)  # quicker on networks this small

pytestmark = pytest.mark.parity
SHAPES = {"vectors": (12,), "sequences": (7, 12), "images": (12, 3, 5)}
LENGTHS = [7, 1, 3, 7, 2, 5, 5, 1, 6]


def first(x):
    """Samples with their channels first, as PyTorch has sequences, too; its own inverse."""
    return x.transpose(1, 2) if x.ndim == 3 else x


def compared(layer, twin, shape, dtype="float64", rows=9):
    """Outputs, and gradients of parameters and inputs, of a layer and of ``twin(x, weight, bias)``."""
    rng = np.random.default_rng(0)
    model = vg.Sequential([layer], input_shape=shape, dtype=dtype, seed=1)
    model.compile("mse")
    for view in layer.views.values():
        view += rng.uniform(-0.5, 0.5, view.shape)
    x = rng.normal(1, 2, size=(rows, *shape))
    y = rng.normal(size=model.session.output_shape(x.astype(dtype)))
    loss, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
    given = torch.tensor(x, requires_grad=True)
    views = {
        name: torch.tensor(view.astype(float), requires_grad=True)
        for name, view in layer.views.items()
    }
    h = first(twin(first(given), views.get("weight"), views.get("bias")))
    value = nn.mse_loss(h, torch.tensor(y))
    value.backward()
    tolerance = {"float32": 2e-4, "float64": 1e-11}[dtype]
    assert loss == pytest.approx(value.item(), rel=tolerance)
    close(model.predict(x), h.detach().numpy(), tolerance)
    close(inputs.x, given.grad.numpy(), tolerance)
    for name, view in views.items():
        close(gradients[f"{layer.name}.{name}"], view.grad.numpy(), tolerance)


def close(got, want, tolerance):
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6])
def test_group_norm(groups, shape, dtype):
    def twin(x, weight, bias):
        return nn.gelu(nn.group_norm(x, groups, weight, bias, 1e-3))

    compared(vg.GroupNorm(groups, "gelu", epsilon=1e-3), twin, shape, dtype)
    compared(vg.GroupNorm(groups, "gelu", epsilon=1e-3, shift=False), twin, shape, dtype)


@pytest.mark.parametrize("shape", [(7, 5), (17, 9, 1), (3, 6, 7)])
@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm(affine, shape):
    layer = vg.InstanceNorm(scale=affine, shift=affine)
    compared(layer, lambda x, w, b: nn.instance_norm(x, weight=w, bias=b), shape)


def test_states_of_pytorch_load():
    """GroupNorm's weight and bias; InstanceNorm has none."""
    twin = torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.GroupNorm(4, 8), torch.nn.Linear(8, 2)
    ).double()
    with torch.no_grad():
        for each in twin.parameters():
            each.uniform_(-1, 1)
    layers = [vg.Dense(8), vg.GroupNorm(4), vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=6, dtype="float64")
    model.load_state_dict(twin.state_dict())
    x = np.random.default_rng(0).normal(size=(5, 6))
    close(model.predict(x), twin(torch.tensor(x)).detach().numpy(), 1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"pool_size": 3, "dilation": 2},
        {"pool_size": (2, 3), "stride": (1, 2), "padding": (1, 2), "dilation": (2, 3)},
        {"pool_size": (3, 1), "stride": 2, "padding": (3, 0), "dilation": (3, 4)},
    ],
)
def test_dilated_max_pools(options):
    def twin(layer, dimensions):
        """PyTorch's, which pads less of two axes, behind a padding of its own that is never the largest."""
        pads = [layer.padding] * dimensions if isinstance(layer.padding, int) else layer.padding
        around = [pad for each in reversed(pads) for pad in (each, each)]
        pool = nn.max_pool2d if dimensions == 2 else nn.max_pool1d
        how = {"stride": layer.stride, "dilation": layer.dilation}
        return lambda x, *_: pool(nn.pad(x, around, value=-np.inf), layer.pool_size, **how)

    layer = vg.MaxPool(**options)
    compared(layer, twin(layer, 2), (5, 9, 11))
    layer = vg.MaxPool(**{k: v[0] if isinstance(v, tuple) else v for k, v in options.items()})
    compared(layer, twin(layer, 1), (11, 5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(7, 5), (17, 9, 1), (3, 6, 7)])
def test_global_pools(shape, dtype):
    compared(vg.GlobalAvgPool(), lambda x, *_: x.flatten(2).mean(2), shape, dtype)
    compared(vg.GlobalMaxPool(), lambda x, *_: x.flatten(2).max(2).values, shape, dtype)


@pytest.mark.parametrize("pool", [vg.GlobalAvgPool, vg.GlobalMaxPool])
def test_text_that_is_padded(pool):
    """Embedding with padding, then a pool over what is valid: three steps of Adam."""
    rng = np.random.default_rng(0)
    layers = [
        vg.Embedding(11, 6, padding_idx=0),
        vg.Dense(8, "tanh"),
        pool(),
        vg.Dense(3, "softmax"),
    ]
    model = vg.Sequential(layers, input_shape=(None,), dtype="float64", seed=2)
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.05))
    tokens, lengths = vg.data.pad_sequences([rng.integers(1, 11, n) for n in LENGTHS])
    labels = rng.integers(0, 3, len(LENGTHS))
    values = {k: torch.tensor(v, requires_grad=True) for k, v in model.state_dict().items()}
    rule = torch.optim.Adam(values.values(), 0.05)
    losses = []
    for _ in range(3):
        losses.append(model.train_on_batch(tokens, labels, lengths=lengths))
        rule.zero_grad()
        h = nn.embedding(torch.tensor(tokens), values["embedding1.weight"], padding_idx=0)
        h = torch.tanh(nn.linear(h, values["dense1.weight"], values["dense1.bias"]))
        rows = [row[:n] for row, n in zip(h, LENGTHS, strict=True)]
        pooled = torch.stack(
            [row.mean(0) if pool is vg.GlobalAvgPool else row.max(0).values for row in rows]
        )
        logits = nn.linear(pooled, values["dense2.weight"], values["dense2.bias"])
        loss = nn.cross_entropy(logits, torch.tensor(labels))
        loss.backward()
        rule.step()
        assert losses[-1] == pytest.approx(loss.item(), rel=1e-10)
    for name, value in model.state_dict().items():
        close(value, values[name].detach().numpy(), 1e-9)
    np.testing.assert_array_equal(model.layers[0].weight[0], 0)


@pytest.mark.parametrize("rate", [0.05, 0.4])
def test_alpha_dropout_takes_two_values_where_pytorchs_does(rate):
    """Of inputs of 1: what is kept, and what is dropped; and how often."""
    want = np.unique(nn.alpha_dropout(torch.ones(4000, dtype=torch.float64), rate, training=True))
    a = ((1 - rate) * (1 + rate * 1.7580993408473766**2)) ** -0.5
    shift = a * rate * 1.7580993408473766
    np.testing.assert_allclose(want, [shift - a * 1.7580993408473766, a + shift], rtol=1e-12)
    x = np.ones((4, 1000))
    model = vg.Sequential([vg.AlphaDropout(rate)], input_shape=1000, dtype="float64", seed=0)
    model.compile("mse")
    loss, _, inputs = model.gradients(x, 0 * x, wrt_inputs=True)
    kept = inputs.x != 0
    assert loss == pytest.approx((np.where(kept, want[1], want[0]) ** 2).mean(), rel=1e-12)
    close(inputs.x[kept], np.full(kept.sum(), 2 * a * want[1] / x.size), 1e-12)
