"""Every layer becomes a module of PyTorch: outputs, loss, every gradient to 1e-12, and comes back."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")

from torch_twins import check, samples  # noqa: E402

torch.set_num_threads(1)  # quicker on networks this small
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning"),
]


def randomised(layers, input_shape):
    model = vg.Sequential(layers, input_shape=input_shape, dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    state = model.state_dict()
    for name, value in state.items():
        value += rng.uniform(0, 1, value.shape) - 0.3 * (not name.endswith("running_var"))
    model.load_state_dict(state)
    return model


def goes(layers, input_shape, tolerance=1e-12):
    model = randomised(layers, input_shape)
    module = vg.exchange.to_torch(model)
    assert not module.training
    assert {each.dtype for each in module.parameters()} <= {torch.float64}
    check(module, model, tolerance=tolerance)
    return model, module


NAMES = [name for name in vg.activations.names() if name not in ("linear", "swish")]


@pytest.mark.parametrize("name", NAMES)
def test_activations(name):
    """PyTorch's hard_sigmoid and hard_swish take 1/6 from float32, in float64 too."""
    tolerance = 1e-7 if name in ("hard_sigmoid", "hard_swish") else 1e-12
    goes([vg.Dense(5, name), vg.Dense(2)], 4, tolerance)
    goes([vg.Conv2d(3, 2), vg.Activation(name), vg.LayerNorm(name)], (2, 4, 5), tolerance)
    goes([vg.Conv1d(3, 2), vg.LayerNorm(name), vg.Conv1d(2, 1)], (5, 2), tolerance)


@pytest.mark.parametrize(
    "activation",
    [
        vg.leaky_relu(0.3), vg.elu(0.7), vg.activations.celu(0.5), vg.activations.snake(2.0),
        vg.activations.hard_sigmoid(0.2),
        vg.activations.formula("where(0 < z < 1, z ** 2 + pi, minimum(-z, e) / 3) + softplus(z) - erf(+z)"),
    ],
    ids=str,
)  # fmt: skip
def test_activations_with_parameters(activation):
    goes([vg.Dense(5, activation), vg.Dense(2)], 4)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("shape", [(4,), (6, 4), (4, 3, 5)], ids=str)
def test_formulas_that_learn(shape, shared):
    formula = vg.activations.formula("a * z * sigmoid(b * z)", a=1.0, b=0.7, shared=shared)
    model, module = goes([vg.Activation("tanh"), vg.Activation(formula)], shape)
    again = vg.exchange.from_torch(module, shape)
    x = samples(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


SHAPES = {"vectors": (6,), "sequences": (7, 6), "images": (6, 4, 5)}
NORMS = [vg.BatchNorm, vg.LayerNorm, vg.InstanceNorm, lambda *a, **k: vg.GroupNorm(3, *a, **k)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("scale", "shift"), [(True, True), (True, False), (False, True), (False, False)]
)
@pytest.mark.parametrize("norm", NORMS)
def test_norms(norm, scale, shift, shape):
    if norm is vg.InstanceNorm and shape == "vectors":
        pytest.skip("there are no places to normalise over")
    if norm is NORMS[-1] and shift and not scale:
        pytest.skip("PyTorch has no such gradient: it is refused")
    goes([norm("tanh", epsilon=1e-3, scale=scale, shift=shift)], SHAPES[shape])


@pytest.mark.parametrize("shape", SHAPES)
def test_layers_of_any_shape(shape):
    size = SHAPES[shape]
    goes([vg.RMSNorm(scale=False), vg.RMSNorm("silu", epsilon=1e-4)], size)
    goes([vg.PReLU(), vg.PReLU(shared=True), vg.Activation("softmin")], size)
    goes([vg.Reshape((2, 1, int(np.prod(size)) // 2)), vg.Conv2d(3, 1)], size)
    goes([vg.Reshape((2, int(np.prod(size)) // 2)), vg.Dense(3)], size)
    goes([vg.Flatten(), vg.Dense(3)], size)
    model = vg.Sequential(
        [vg.Dropout(0.3), vg.Dropout(0.2, across_time=True), vg.AlphaDropout(0.1),
         vg.AlphaDropout(0.1, across_time=True), vg.GaussianNoise(0.3)],
        input_shape=size, dtype="float64",
    )  # fmt: skip
    module, x = vg.exchange.to_torch(model), samples(model)
    np.testing.assert_array_equal(module(torch.tensor(x)).numpy(), x)
    assert (module.train()(torch.tensor(x)).numpy() != x).any()
    again = vg.exchange.from_torch(module, size, dtype="float64")
    assert [getattr(each, "rate", None) for each in again.layers] == [0.3, 0.2, 0.1, 0.1, None]
    assert again.layers[-1].stddev == 0.3


def test_images():
    goes(
        [
            vg.Conv2d(4, (3, 2), "relu", stride=(1, 2), padding=(1, 2), dilation=(2, 1), groups=2),
            vg.MaxPool(2, stride=1, padding=1, dilation=(1, 2)),
            vg.AvgPool((2, 3), stride=2, padding=1, count_include_pad=False),
            vg.Conv2d(3, 2, padding="same", use_bias=False),
            vg.GlobalMaxPool(),
            vg.Dense(3, "softmax"),
        ],
        (2, 9, 11),
    )
    goes([vg.Residual([vg.Conv2d(5, 1, stride=2)], shortcut=[vg.Subsample(5, 2)])], (3, 5, 6))


def test_sequences():
    goes(
        [
            vg.Conv1d(4, 3, "tanh", padding=1), vg.Dense(3), vg.BatchNorm("relu"), vg.AvgPool(2),
            vg.LayerNorm(), vg.Flatten(channels_first=True), vg.Dense(2),
        ],
        (8, 3),
    )  # fmt: skip
    goes([vg.MaxPool(2, stride=1), vg.GlobalAvgPool(), vg.Reshape((3, 1)), vg.Dense(2)], (8, 3))
    goes([vg.Highway("relu"), vg.Highway(gate_bias=-1.0), vg.Flatten()], (8, 3))


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", [vg.RNN, vg.LSTM, vg.GRU])
def test_recurrent_layers(cell, both, number, sequences):
    layer = cell(4, num_layers=number, return_sequences=sequences, use_bias=number > 1)
    layer = vg.Bidirectional(layer) if both else layer
    model, module = goes([vg.Embedding(9, 3, padding_idx=2), layer, vg.Dense(2)], (None,))
    again = vg.exchange.from_torch(module, (None,))
    x = samples(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert list(again.state_dict()) == list(model.state_dict())


def test_blocks():
    inner = vg.Residual([vg.Dense(4, "tanh")], activation="relu", gate=0.5)
    walk = vg.GRU(2, return_sequences=True)
    stack = [vg.Dense(3, "silu"), vg.Dense(1)]
    side = vg.Parallel([vg.Dense(2), stack, walk], merge="concat")
    total = vg.Parallel([vg.Dense(3), vg.Activation("identity"), vg.Conv1d(3, 1)])
    goes([inner, side, vg.Dense(3), total], (6, 4))
    goes([vg.Parallel([vg.Conv2d(3, 1), vg.Activation("tanh")], merge="concat")], (2, 4, 5))


def test_names_are_the_models():
    model, module = goes([vg.Residual([vg.Conv1d(4, 1), vg.BatchNorm("relu")]), vg.LSTM(3)], (6, 4))
    names = [name for name in module.state_dict() if not name.endswith("tracked")]
    assert [name.removesuffix("_l0") for name in names] == list(model.state_dict())
    other = vg.Sequential(
        [each.copy() for each in model.layers], input_shape=(6, 4), dtype="float64"
    )
    other.load_state_dict(module.state_dict())
    x = samples(model)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
