"""`Sequential.internals` against the gradients that PyTorch's tensors retain, in float64."""

import numpy as np
import pytest
from retained import Retained, double

import vgcore as vg

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

pytestmark = pytest.mark.parity
TOLERANCE = 1e-12
RNG = np.random.default_rng(0)


def compiled(layers, input_shape, loss="mse"):
    model = vg.Sequential(layers, input_shape=input_shape, dtype="float64", seed=1)
    for name, value in model.state_dict().items():  # away from 0, where many start
        if "running" not in name:
            model.load_state_dict({name: value + 0.3 * RNG.normal(size=value.shape)}, strict=False)
    model.compile(loss)
    return model


def loss_of(output, y, valid):
    """The mean squared error over what there is, or the cross-entropy of labels."""
    if np.issubdtype(np.asarray(y).dtype, np.integer):
        return torch.nn.functional.nll_loss(torch.log(output), torch.tensor(y))
    square = (output - double(y)) ** 2
    if valid is not None and output.ndim == 3:
        return square[valid].mean()
    return square.mean()


def assert_inside(model, x, y, lengths=None, without_dh=None):
    """Every array of every layer is what PyTorch has, and NaN behind the ends of sequences."""
    valid = None
    if lengths is not None:
        valid = torch.tensor(np.arange(np.shape(x)[1]) < np.reshape(lengths, (-1, 1)))
    twin = Retained(model, x, valid)
    loss = loss_of(twin.output, y, valid)
    loss.backward()
    inside = model.internals(x, y, lengths=lengths)
    assert inside.loss == pytest.approx(loss.item(), rel=1e-12)
    assert inside.layers == model.gradient_flow(x, y, lengths=lengths).layers
    for name, found in inside.items():
        arrays = found.arrays()
        for kind, of_gates in (("gates", found.gates), ("dgates", found.dgates)):
            arrays.update({f"{kind}.{gate}": values for gate, values in of_gates.items()})
        wanted = twin.arrays(name)
        if name == without_dh:
            del wanted["dh"]
        assert arrays.keys() == wanted.keys(), name
        for what, values in arrays.items():
            assert_equal(values, wanted[what], valid, f"{name}.{what}")
    if inside.dx is not None:
        assert_equal(inside.dx, twin.x.grad.numpy(), valid, "dx")
    assert_equal(inside.output, twin.output.detach().numpy(), valid, "output")
    return inside


def assert_equal(got, wanted, valid, what):
    assert got.shape == wanted.shape, what
    if valid is not None and got.ndim == 3:
        behind = ~valid.numpy()
        assert np.isnan(got[behind]).all(), what
        got, wanted = got[~behind], wanted[~behind]
    size = max(abs(wanted).max(), 1e-30)
    np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE * size, err_msg=what)


VECTORS = {
    "dense": lambda: [vg.Dense(9, "tanh"), vg.Dense(7, "relu"), vg.Dense(3)],
    "identity": lambda: [vg.Dense(5), vg.Dense(3)],
    "activation": lambda: [vg.Dense(9), vg.layers.Activation("softsign"), vg.Dense(3)],
    "activation last": lambda: [vg.Dense(3), vg.layers.Activation("sigmoid")],
    "prelu": lambda: [vg.Dense(9), vg.PReLU(), vg.Dense(3)],
    "prelu last": lambda: [vg.Dense(3), vg.PReLU(shared=True)],
    "batch norm": lambda: [vg.Dense(9), vg.BatchNorm("relu"), vg.Dense(3)],
    "layer norm": lambda: [vg.Dense(9), vg.LayerNorm("tanh"), vg.LayerNorm(), vg.Dense(3)],
    "rms norm": lambda: [vg.Dense(9), vg.RMSNorm("tanh"), vg.Dense(3)],
    "group norm": lambda: [vg.Dense(8), vg.GroupNorm(4, "tanh"), vg.Dense(3)],
    "highway": lambda: [vg.Highway("tanh"), vg.Highway("relu"), vg.Dense(3)],
    "residual": lambda: [
        vg.Residual([vg.Dense(6, "tanh"), vg.Dense(5)], activation="relu"),
        vg.Residual([vg.Dense(4, "tanh")], shortcut=[vg.Dense(4)], gate=0.7),
        vg.Residual([vg.Residual([vg.Dense(4, "tanh")]), vg.LayerNorm("tanh")]),
        vg.Dense(3),
    ],
    "parallel": lambda: [
        vg.Parallel([vg.Dense(6, "tanh"), [vg.Dense(4, "relu"), vg.Dense(6)]]),
        vg.Parallel([vg.Dense(6), vg.Dense(2, "tanh"), vg.Dense(3)], merge="concat"),
        vg.Dense(3),
    ],
    "residual last": lambda: [vg.Dense(3), vg.Residual([vg.Dense(3)], activation="tanh")],
}
IMAGES = {
    "conv": lambda: [vg.Conv2d(4, 3, "tanh"), vg.Conv2d(3, 2, "relu", stride=2), vg.Flatten()],
    "max pool": lambda: [vg.Conv2d(4, 3, "tanh"), vg.MaxPool(2), vg.Flatten()],
    "mean pool": lambda: [vg.Conv2d(4, 3, "tanh"), vg.AvgPool(2), vg.Flatten()],
    "global pools": lambda: [vg.Conv2d(4, 3, "tanh"), vg.GlobalAvgPool()],
    "largest": lambda: [vg.Conv2d(4, 3, "tanh"), vg.GlobalMaxPool()],
    "norms": lambda: [
        *(vg.Conv2d(4, 3), vg.BatchNorm("tanh"), vg.LayerNorm("tanh"), vg.RMSNorm()),
        *(vg.GroupNorm(2, "tanh"), vg.InstanceNorm(scale=True, shift=True), vg.Flatten()),
    ],
    "residual": lambda: [
        vg.Residual([vg.Conv2d(2, 3, "tanh", padding=1)], activation="relu"),
        vg.Residual([vg.Conv2d(4, 3, "tanh", padding=1, stride=2)], shortcut=[vg.Subsample(4, 2)]),
        vg.Flatten(),
    ],
    "reshape": lambda: [vg.Conv2d(4, 3, "tanh"), vg.Reshape((5, 20)), vg.RNN(3)],
    "reshape to an image": lambda: [vg.Reshape((1, 7, 14)), vg.Conv2d(2, 3, "tanh"), vg.Flatten()],
}
SEQUENCES = {
    "rnn": lambda **o: vg.RNN(5, **o),
    "relu": lambda **o: vg.RNN(5, "relu", **o),
    "lstm": lambda **o: vg.LSTM(5, **o),
    "peepholes": lambda **o: vg.LSTM(5, peepholes=True, **o),
    "gru": lambda **o: vg.GRU(5, **o),
    "gru, reset before": lambda **o: vg.GRU(5, reset_after=False, **o),
    "backwards": lambda **o: vg.LSTM(5, go_backwards=True, **o),
    "learned": lambda **o: vg.LSTM(5, initial_state="learned", **o),
    "both ways": lambda **o: vg.Bidirectional(vg.LSTM(4, **o)),
    "stack": lambda **o: vg.GRU(5, num_layers=2, **o),
    "stack both ways": lambda **o: vg.Bidirectional(vg.GRU(4, num_layers=2, **o)),
}


@pytest.mark.parametrize("kind", VECTORS)
def test_vectors(kind):
    model = compiled(VECTORS[kind](), 5)
    assert_inside(model, RNG.normal(size=(11, 5)), RNG.normal(size=(11, 3)))


@pytest.mark.parametrize("kind", IMAGES)
def test_images(kind):
    model = compiled(IMAGES[kind](), (2, 7, 7))
    x = RNG.normal(size=(5, 2, 7, 7))
    assert_inside(model, x, RNG.normal(size=model.predict(x).shape))


def test_cross_entropy_leaves_no_gradient_of_probabilities():
    layers = [vg.Dense(9, "tanh"), vg.Dense(3, "softmax")]
    model = compiled(layers, 5, "sparse_categorical_crossentropy")
    x = RNG.normal(size=(11, 5))
    inside = assert_inside(model, x, RNG.integers(3, size=11), without_dh="dense2")
    assert inside["dense2"].dh is None and inside["dense1"].dh is not None


@pytest.mark.parametrize("lengths", [None, [9, 1, 6, 6, 3]], ids=["equal", "lengths"])
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("kind", SEQUENCES)
def test_sequences(kind, sequences, lengths):
    layers = [
        SEQUENCES[kind](return_sequences=True, bias_initializer="normal"),
        vg.LayerNorm("tanh"),
        vg.Residual([vg.Dense(3, "tanh"), vg.RNN(layers_units(kind), return_sequences=True)]),
        SEQUENCES[kind](return_sequences=sequences, bias_initializer="normal"),
        vg.Dense(2),
    ]
    model = compiled(layers, (None, 3))
    x = RNG.normal(size=(5, 9, 3))
    y = RNG.normal(size=(5, 9, 2) if sequences else (5, 2))
    assert_inside(model, x, y, lengths)


def layers_units(kind):
    """How many features a layer of a kind gives."""
    return 8 if "both ways" in kind else 5


def test_tokens():
    model = compiled([vg.Embedding(11, 4), vg.LSTM(5), vg.Dense(2)], (None,))
    tokens = RNG.integers(11, size=(5, 9))
    inside = assert_inside(model, tokens, RNG.normal(size=(5, 2)), [9, 1, 6, 6, 3])
    assert inside.dx is None


def test_convolutions_of_sequences():
    model = compiled([vg.Conv1d(4, 3, "tanh"), vg.LSTM(5), vg.Dense(2)], (9, 3))
    assert_inside(model, RNG.normal(size=(5, 9, 3)), RNG.normal(size=(5, 2)))
